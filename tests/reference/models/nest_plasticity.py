"""Three of NEST's plastic synapses from a parrot neuron to another, each with spikes of its own."""
from nest_peer import *

random = np.random.default_rng(3)
pre, post = (np.unique(np.round(random.uniform(5, 900, 40), 1)) for _ in range(2))
post = np.array([time for time in post if np.abs(pre - time).min() > 0.15])
RULES = {
    "power_law": ("stdp_pl_synapse_hom", {"tau_plus": 20.0, "mu": 0.4, "lambda": 0.1, "alpha": 0.0513}, dict(tau_minus=20.0)),
    "soft": ("stdp_synapse", {"alpha": 1.05, "mu_plus": 0.5, "mu_minus": 0.7, "Wmax": 100.0, "tau_plus": 20.0}, dict(tau_minus=20.0)),
    "triplets": (
        "stdp_triplet_synapse", dict(Aplus=0.005, Aplus_triplet=0.006, Aminus=0.007, Aminus_triplet=0.0023, tau_plus=16.8,
        tau_plus_triplet=101.0, Wmax=100.0), dict(tau_minus=33.7, tau_minus_triplet=125.0)),
}
for name, (model, rule, target) in RULES.items():
    fresh()
    sources = [nest.Create("spike_generator", params=dict(spike_times=train)) for train in (pre, post)]
    a, b = nest.Create("parrot_neuron"), nest.Create("parrot_neuron", params=target)
    nest.Connect(sources[0], a)
    nest.Connect(sources[1], b)
    nest.CopyModel(model, name, rule)
    nest.Connect(a, b, syn_spec=dict(synapse_model=name, weight=45.0, delay=1.0, receptor_type=1))
    nest.Simulate(1000.0)
    same("pairs", name, nest.GetConnections(a, b).weight, "weight after the last spike of the source")
