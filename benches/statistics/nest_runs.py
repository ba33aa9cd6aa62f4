"""Runs of a workload in NEST, one thread: nest_runs.py WORKLOAD FILE SEED… writes FILE with each seed in place of `{}`.

NEST stamps the end of a step, so a time of n + 1 steps is step n."""
import os, sys
import nest
import numpy

workload, file, seeds = sys.argv[1], sys.argv[2], sys.argv[3:]


def finished(cells, milliseconds):
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(milliseconds)
    events = recorder.events
    return dict(step=numpy.round(events["times"] / 0.1).astype(int) - 1, neuron=events["senders"] - cells[0].global_id)


def fixed(weight, delay):
    return dict(synapse_model="static_synapse", weight=weight, delay=delay)


def coba():
    dice = numpy.random.default_rng(nest.rng_seed)
    cells = nest.Create("iaf_cond_exp", 4000, dict(
        E_L=-60.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0, E_ex=0.0, E_in=-80.0, C_m=200.0, g_L=10.0, tau_syn_ex=5.0, tau_syn_in=10.0))
    cells.V_m, cells.g_ex, cells.g_in = (dice.normal(mean, sd, 4000).tolist() for mean, sd in ((-65, 5), (40, 15), (200, 120)))
    rule = dict(rule="pairwise_bernoulli", p=0.02)
    nest.Connect(cells[:3200], cells, rule, fixed(6.0, 0.1))
    nest.Connect(cells[3200:], cells, rule, fixed(-67.0, 0.1))
    return finished(cells, 1000.0)


def brunel(delay, refractory, several=True):
    """`several`: whether a source may reach a neuron more than once, as NEST has it where nothing is said."""
    cells = nest.Create("iaf_psc_delta", 12500, dict(
        C_m=1.0, tau_m=20.0, t_ref=refractory, E_L=0.0, V_reset=0.0, V_m=0.0, V_th=20.0))
    drive = nest.Create("poisson_generator", params=dict(rate=20_000.0))
    nest.Connect(drive, cells, syn_spec=fixed(0.1, delay))
    nest.Connect(cells[:10000], cells, dict(rule="fixed_indegree", indegree=1000, allow_multapses=several), fixed(0.1, delay))
    nest.Connect(cells[10000:], cells, dict(rule="fixed_indegree", indegree=250, allow_multapses=several), fixed(-0.5, delay))
    return finished(cells, 400.0)


def stdp(neurons, milliseconds):
    """Conductances in units of the leak of 10 nS. Weights are read as each synapse last wrote them, at its last arrival."""
    cells = nest.Create("iaf_cond_exp", neurons, dict(
        E_L=-74.0, V_th=-54.0, V_reset=-60.0, V_m=-60.0, t_ref=0.0, E_ex=0.0, E_in=-80.0, C_m=100.0, g_L=10.0, tau_syn_ex=5.0, tau_minus=20.0))
    drive, inputs = nest.Create("poisson_generator", params=dict(rate=15.0)), nest.Create("parrot_neuron", 1000)
    nest.Connect(drive, inputs, syn_spec=dict(delay=0.1))
    nest.Connect(inputs, cells, "all_to_all", dict(
        synapse_model="stdp_synapse", tau_plus=20.0, alpha=1.05, mu_plus=0.0, mu_minus=0.0, Wmax=0.1, weight=nest.random.uniform(0.0, 0.1), delay=0.1,
        **{"lambda": 0.01}))
    spikes = finished(cells, milliseconds)
    return dict(spikes, w=numpy.array(nest.GetConnections(inputs, cells).weight) / 0.1)


run = {
    "coba": coba, "brunel": lambda: brunel(1.5, 2.0), "brunel_step_off": lambda: brunel(1.6, 1.9),
    "brunel_once": lambda: brunel(1.5, 2.0, False),
    "stdp_one": lambda: stdp(1, 100_000.0), "stdp_many": lambda: stdp(100, 10_000.0),
}[workload]
for seed in seeds:
    nest.ResetKernel()
    nest.local_num_threads, nest.resolution, nest.rng_seed = 1, 0.1, int(seed)
    numpy.savez(file.format("part"), **run())
    os.replace(file.format("part"), file.format(seed))
