"""NEST's mat2_psc_exp with its defaults under three currents."""
from nest_peer import *

count = 0
for name, bias in ("weak", 400.0), ("middle", 500.0), ("strong", 700.0):
    fresh()
    cell, spikes = nest.Create("mat2_psc_exp", params=dict(I_e=bias)), nest.Create("spike_recorder")
    nest.Connect(cell, spikes)
    nest.Simulate(500.0)
    same("half_a_second", name, times(spikes))
    count += spikes.n_events
same("half_a_second", "spikes.cells", count)
