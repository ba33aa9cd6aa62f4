"""NEST's iaf_cond_exp_sfa_rr with its defaults under three currents."""
from nest_peer import *

count = 0
for name, bias in ("weak", 500.0), ("middle", 700.0), ("strong", 1000.0):
    fresh()
    cell, spikes = nest.Create("iaf_cond_exp_sfa_rr", params=dict(I_e=bias)), nest.Create("spike_recorder")
    nest.Connect(cell, spikes)
    nest.Simulate(500.0)
    same("half_a_second", name, times(spikes))
    count += spikes.n_events
same("half_a_second", "spikes.cells", count)
