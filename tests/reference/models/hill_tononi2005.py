"""NEST's ht_neuron with one of its currents at a time, under 30 from 51 to 451 ms."""
from nest_peer import *

count = 0
for name, current in ("sodium", "NaP"), ("potassium", "KNa"), ("calcium", "T"), ("hyper", "h"):
    fresh()
    cell = nest.Create("ht_neuron", params={f"g_peak_{one}": float(one == current) for one in ("NaP", "KNa", "T", "h")})
    drive, spikes = nest.Create("dc_generator", params=dict(amplitude=30.0, start=50.0, stop=450.0)), nest.Create("spike_recorder")
    nest.Connect(drive, cell)
    nest.Connect(cell, spikes)
    nest.Simulate(500.0)
    if name == "potassium":
        same("spiking", name, times(spikes), "spike times, five of 13 within 1.2 ms", 6)
    else:
        same("spiking", name, times(spikes))
    count += spikes.n_events
same("spiking", "spikes.cells", count)
