"""NEST's sinusoidal_gamma_generator, orders 2 and 10, one period."""
from nest_peer import *

for name, order in ("two", 2.0), ("ten", 10.0):
    rates, irregular = [], []
    for seed in range(1, 7):
        fresh(0.01, seed)
        nest.SetDefaults("sinusoidal_gamma_generator", dict(individual_spike_trains=True))
        source = nest.Create(
            "sinusoidal_gamma_generator", params=dict(rate=1000.0, amplitude=500.0, frequency=10.0, phase=0.0, order=order))
        relays, spikes = nest.Create("parrot_neuron", 100), nest.Create("spike_recorder")
        nest.Connect(source, relays)
        nest.Connect(relays, spikes)
        nest.Simulate(101.0)
        rates.append(np.sum(spikes.events["times"] > 1) / 100 / 0.1)
        irregular.append(irregularity(spikes, relays, step=0.01))
    spread("period", f"rate_hz.{name}", rates, "rate")
    spread("period", f"irregularity_{name}", irregular, "coefficient of variation", 0.01, ", and 0.01 for one event a step at most")
