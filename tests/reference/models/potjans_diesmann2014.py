"""The microcircuit as NEST's example Potjans_2014 builds it, in NEST 3.10: potjans_diesmann2014.py [SCALE INPUTS THREADS SEED…].

Without arguments it prints the lines of models.csv, from five seeds at a tenth of the neurons and of their inputs."""
import sys, time
import nest
import numpy as np

scale, inputs, threads = [float(one) for one in sys.argv[1:4]] or (0.1, 0.1, 1)
seeds = [int(seed) for seed in sys.argv[4:]] or range(1, 6)
NEURONS = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
JOINED = np.array([
    [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0, 0.0076, 0], [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0, 0.0042, 0],
    [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0], [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0, 0.1057, 0],
    [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0], [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0],
    [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252], [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443]])
STRENGTH = np.tile([1.0, -4.0], (8, 4))
STRENGTH[0, 2] = 2
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
START = [-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]
SPREAD = [5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]
# The current in pA that moves the membrane by 0.15 mV at most.
PEAK = 0.15 * 250 / 0.5 * 0.95 / (0.05**(0.05 / 0.95) - 0.05**(1 / 0.95))
SYNAPSES = np.log(1 - JOINED) / np.log(1 - 1 / np.outer(NEURONS, NEURONS))


def rates(seed):
    """Of the eight populations, over the first second."""
    begin = time.time()
    nest.ResetKernel()
    nest.local_num_threads, nest.resolution, nest.rng_seed = int(threads), 0.1, seed
    missing = 0.5e-3 * PEAK * (1 - np.sqrt(inputs)) * ((SYNAPSES / NEURONS[:, None] * STRENGTH) @ RATES + 8 * EXTERNAL)
    layers, recorders = [], []
    for k in range(8):
        cells = nest.Create("iaf_psc_exp", round(scale * NEURONS[k]), dict(
            tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65.0, V_th=-50.0, V_reset=-65.0, t_ref=2.0, tau_m=10.0, C_m=250.0, I_e=missing[k]))
        cells.V_m = nest.random.normal(START[k], SPREAD[k])
        background = nest.Create("poisson_generator", params=dict(rate=8 * inputs * EXTERNAL[k]))
        nest.Connect(background, cells, "all_to_all", dict(synapse_model="static_synapse", weight=PEAK / np.sqrt(inputs), delay=1.5))
        layers.append(cells)
        recorders.append(nest.Create("spike_recorder"))
        nest.Connect(cells, recorders[k])
    for k in range(8):
        for l in range(8):
            number, weight, delay = round(scale * inputs * SYNAPSES[k, l]), STRENGTH[k, l] * PEAK / np.sqrt(inputs), [1.5, 0.75][l % 2]
            ends = (0, np.inf) if weight > 0 else (-np.inf, 0)
            if number > 0:
                nest.Connect(layers[l], layers[k], dict(rule="fixed_total_number", N=number), dict(
                    synapse_model="static_synapse", weight=nest.math.redraw(nest.random.normal(weight, abs(weight) * 0.1), *ends),
                    delay=nest.math.redraw(nest.random.normal(delay, delay / 2), 0.1, np.inf)))
    nest.Prepare()
    built = time.time()
    nest.Run(1000.0)
    found = [recorder.n_events / len(cells) for recorder, cells in zip(recorders, layers)]
    print(seed, np.round(found, 3), f"built in {built - begin:.1f} s, run in {time.time() - built:.1f} s", file=sys.stderr)
    return found


found = np.array([rates(seed) for seed in seeds])
if len(sys.argv) == 1:
    for k in range(8):
        mean, off = np.mean(found[:, k]), 4 * np.std(found[:, k], ddof=1) * np.sqrt(1 + 1 / len(found))
        print(f'potjans_diesmann2014,spontaneous,rate_hz.layer[{k}],{mean:.12g},{off:.3g},"NEST 3.10: rate, mean of {len(found)} seeds, four standard deviations"')
