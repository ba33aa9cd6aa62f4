"""Runs the spiking workloads in nmc and in the peers for several seeds, and prints how what they do is spread, side by side.

Kept of each run, in target/statistics/SIMULATOR-WORKLOAD-SEED.npz: `step` and `neuron` of spikes, or weights `w` as shares of the largest, or
shares of steps with a spike of each neuron."""
import argparse, functools, itertools, os, shutil, subprocess, sys
import numpy as np
from scipy import stats

HERE, FOLDER, PEERS = "benches/statistics", "target/statistics", os.environ["PEERS"]
STEP = 1e-4  # seconds
FROM, TO = 1000, {"coba": 10000, "brunel": 4000}  # steps of networks that are looked at: the first 100 ms are left out
BIN, SAMPLED = 50, 200  # steps of a bin and number of neurons of correlations
LEAST = 5  # spikes of a neuron whose intervals count

NETWORKS = {"coba": 4000, "brunel": 12500}  # neurons
PLASTIC = {"stdp_one": (1, 100), "stdp_many": (100, 10)}  # neurons, seconds
# What is put side by side. After a colon a variant of the workload, in which one thing is as the other does it.
PAIRS = {
    "coba": [("nmc", "brian2"), ("nmc", "nest")],
    "brunel": [("nmc", "brian2"), ("nmc", "nest"), ("nmc", "nest:brunel_once"), ("nmc", "nest:brunel_step_off")],
    "stdp_one": [("nmc", "brian2"), ("nmc:stdp_one_euler", "brian2")], "stdp_many": [("nmc", "brian2"), ("nmc:stdp_many_euler", "brian2")],
    "ff_snn": [("snntorch", "nmc"), ("snntorch", "nmc:ff_snn_given")],
}
NAMES = {
    "nmc": "nmc", "brian2": "Brian2", "nest": "NEST", "snntorch": "snnTorch",
    "nmc:stdp_one_euler": "nmc, forward Euler", "nmc:stdp_many_euler": "nmc, forward Euler",
    "nest:brunel_once": "NEST, each source once", "nest:brunel_step_off": "NEST, delay and refractory time of nmc's steps",
}
WORKLOADS = {
    "coba": "examples/balanced_network.nmc", "brunel": "benches/workloads/brunel.nmc", "ff_snn": "benches/workloads/ff_snn.nmc",
    "stdp_one": "benches/workloads/stdp.nmc", "stdp_many": "benches/workloads/stdp.nmc",
}
VARIANTS = {"stdp_one_euler": "stdp_euler", "stdp_many_euler": "stdp_euler"}
SETTINGS = {"stdp_many": ["--set", "neurons=100", "--set", "duration=10 s"]}
PROBES = {
    "brunel": "probe exc.spikes, inh.spikes", "ff_snn": "probe hidden.spikes, output.spikes",
    "stdp_one": "probe output.spikes\n    probe syn.w every duration - 0.1 ms",
    "stdp_many": "probe output.spikes\n    probe syn.w every duration - 0.1 ms",
}


def nmc(workload, variant, seed, out):
    """The workload as it is timed, with probes; or a variant of it."""
    own = f"{HERE}/{VARIANTS.get(variant)}.nmc"
    text = open(own if variant in VARIANTS else WORKLOADS[workload]).read()
    if workload in PROBES and variant not in VARIANTS:
        text = text.replace("}\nexperiment", f"    {PROBES[workload]}\n}}\nexperiment")
    scratch = f"{FOLDER}/nmc"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    if workload == "ff_snn":
        arrays = np.load(f"{FOLDER}/snntorch-{workload}-{seed}.npz")
        np.savez(f"{scratch}/data.npz", **{name: arrays[name] for name in ("x", "w1", "w2")})
        if variant:
            text = text.replace("normal(0, 2 / 28)", 'load("data.npz")["w1"]').replace("normal(0, 2 / 16)", 'load("data.npz")["w2"]')
    open(f"{scratch}/program.nmc", "w").write(text)
    command = [os.environ["NMC"], "run", f"{scratch}/program.nmc", "--threads", "1", "--seed", str(seed), "--out", scratch]
    subprocess.run(command + SETTINGS.get(workload, []), check=True, stdout=subprocess.DEVNULL)
    recorded = f"{scratch}/{'one_second' if workload == 'coba' else 'timed'}"
    spikes = lambda population: np.load(f"{recorded}/{population}.spikes.npz")
    if workload in NETWORKS:
        exc, inh = spikes("exc"), spikes("inh")
        first = NETWORKS[workload] * 4 // 5
        kept = dict(step=np.concatenate([exc["step"], inh["step"]]), neuron=np.concatenate([exc["neuron"], inh["neuron"] + first]))
    elif workload in PLASTIC:
        output = spikes("output")
        kept = dict(step=output["step"], neuron=output["neuron"], w=np.load(f"{recorded}/syn.w.npz")["values"][-1] / (0.01 if variant else 1e-10))
    else:
        count = lambda population, size: np.bincount(spikes(population)["neuron"], minlength=size) / 1000
        hidden, output = count("hidden", 256), count("output", 10)
        kept = dict(hidden=hidden / 100, output=output / 100, hidden_first=hidden / 99, output_first=output / 98)
    np.savez(out, **kept)


def peer(simulator, workload, file, seeds):
    environment, script, arguments = {
        "brian2": ("spiking", "brian2_runs.py", [workload, os.path.abspath(f"{FOLDER}/brian2-{workload}")]),
        "nest": ("nest", "nest_runs.py", [workload]), "numpy": ("statistics", "numpy_runs.py", [workload]), "snntorch": ("torch", "snntorch_runs.py", []),
    }[simulator]
    command = [f"{PEERS}/{environment}/bin/python", f"{HERE}/{script}", *arguments, os.path.abspath(file), *map(str, seeds)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def runs(workload, simulator, seeds):
    """What each seed gave; what is not there yet is run."""
    file = f"{FOLDER}/{simulator.replace(':', '-')}-{workload}-{{}}.npz"
    missing = [seed for seed in seeds if not os.path.exists(file.format(seed))]
    kind, _, variant = simulator.partition(":")
    if missing:
        print(simulator, workload, *missing, file=sys.stderr, flush=True)
    if missing and kind != "nmc":
        peer(kind, variant or workload, file, missing)
    elif missing:
        for seed in missing:
            nmc(workload, variant, seed, file.format("part"))
            os.replace(file.format("part"), file.format(seed))
    return [dict(np.load(file.format(seed))) for seed in seeds]


def of_network(spikes, neurons, end, seed):
    """Rates in hertz of all neurons; of those with enough spikes coefficients of variation of their intervals, and the mean correlation of counts between some of them."""
    step, neuron = spikes["step"].astype(int), spikes["neuron"].astype(int)
    seen = (step >= FROM) & (step < end)
    step, neuron = step[seen], neuron[seen]
    counts = np.bincount(neuron, minlength=neurons)
    order = np.lexsort((step, neuron))
    step, neuron = step[order], neuron[order]
    same = neuron[1:] == neuron[:-1]
    interval, whose = np.diff(step)[same], neuron[1:][same]
    several = np.maximum(counts - 1, 1)
    mean = np.bincount(whose, interval, neurons) / several
    square = np.bincount(whose, (interval - mean[whose])**2, neurons) / several
    enough = counts >= LEAST
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(enough), SAMPLED, replace=False)
    row = np.full(neurons, -1)
    row[chosen] = np.arange(SAMPLED)
    binned = np.zeros((SAMPLED, (end - FROM) // BIN))
    np.add.at(binned, (row[neuron[row[neuron] >= 0]], (step[row[neuron] >= 0] - FROM) // BIN), 1)
    correlation = np.corrcoef(binned)[np.triu_indices(SAMPLED, 1)].mean()
    return dict(rates=counts / ((end - FROM) * STEP), cvs=np.sqrt(square[enough]) / mean[enough], correlation=correlation)


def shown(values, digits=4):
    return f"{np.mean(values):.{digits}g} ± {np.std(values, ddof=1):.2g}"


def chance(p):
    return f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def of_seeds(ours, theirs):
    """Kolmogorov-Smirnov between numbers of which every seed gives one: exact."""
    found = stats.ks_2samp(ours, theirs, method="exact")
    return f"{found.statistic:.3f} | {chance(found.pvalue)} | "


def pooled(ours, theirs):
    """Kolmogorov-Smirnov between what all seeds give together; as if all were independent, and by exchanging whole runs.

    What neurons or weights of one run do hangs together, which the first does not know: the second counts how many of all the ways to part the runs into two
    groups give as large a distance."""
    found = stats.ks_2samp(np.concatenate(ours), np.concatenate(theirs), method="asymp")
    grid = np.unique(np.concatenate(ours + theirs))
    grid = grid[:: max(1, len(grid) // 4096)]
    below = np.array([np.searchsorted(np.sort(values), grid, "right") for values in ours + theirs], float)
    size = np.array([len(values) for values in ours + theirs], float)
    groups = np.array([[k in group for k in range(len(size))] for group in itertools.combinations(range(len(size)), len(ours))], float)
    distance = np.zeros(len(groups))
    for first in range(0, len(groups), 500):
        part = groups[first:first + 500]
        distance[first:first + 500] = np.abs(part @ below / (part @ size)[:, None] - (1 - part) @ below / ((1 - part) @ size)[:, None]).max(1)
    whole = (distance >= distance[0] - 1e-12).mean()  # the first group is ours
    return f"{found.statistic:.3f} | {chance(found.pvalue)} | {chance(whole)}"


def row(quantity, pair, values, test):
    both = ((NAMES[name], shown(np.concatenate(each) if np.ndim(each[0]) else each)) for name, each in zip(pair, values))
    return quantity, *both, test(*values)


def table(rows):
    print("| | | | | | D | p | p of whole runs |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for quantity, (one, ours), (other, theirs), test in rows:
        print(f"| {quantity} | {one} | {ours} | {other} | {theirs} | {test} |")
    print()


def network(workload, pairs, seeds):
    of = functools.cache(lambda name: [of_network(one, NETWORKS[workload], TO[workload], seed) for seed, one in zip(seeds(name), runs(workload, name, seeds(name)))])
    mean = {
        "rate, Hz": lambda one: one["rates"].mean(), "CV of intervals": lambda one: one["cvs"].mean(), "correlation of pairs": lambda one: one["correlation"],
    }
    rows = []
    for pair in pairs:
        both = [of(name) for name in pair]
        for quantity, taken in mean.items():
            values = [[taken(one) for one in each] for each in both]
            rows.append(row(quantity, pair, values, of_seeds))
        for quantity, key in (("rates of neurons, Hz", "rates"), ("CVs of neurons", "cvs")):
            values = [[one[key] for one in each] for each in both]
            rows.append(row(quantity, pair, values, pooled))
    table(rows)


def in_numpy(seeds):
    """Rate and CV of `brunel` as numpy gives them: by the order in a step, and by whether a source may reach a neuron more than once."""
    print("| numpy, `brunel` | each source once | sources drawn one by one |\n| --- | --- | --- |")
    for order in ("nmc", "nest"):
        both = []
        for sources in ("once", "several"):
            each = [of_network(one, NETWORKS["brunel"], TO["brunel"], seed) for seed, one in zip(seeds, runs("brunel", f"numpy:{order}_{sources}", seeds))]
            both.append(f"{shown([one['rates'].mean() for one in each])} Hz, CV {shown([one['cvs'].mean() for one in each])}")
        print(f"| order in a step of {NAMES[order]} | {' | '.join(both)} |")
    print()


def plastic(workload, pairs, seeds):
    neurons, seconds = PLASTIC[workload]
    mean = {
        "rate of outputs, Hz": lambda one: len(one["step"]) / neurons / seconds, "mean weight": lambda one: one["w"].mean(),
        "weights below 0.1": lambda one: (one["w"] < 0.1).mean(), "weights above 0.9": lambda one: (one["w"] > 0.9).mean(),
    }
    rows = []
    for pair in pairs:
        both = [runs(workload, name, seeds(name)) for name in pair]
        for quantity, taken in mean.items():
            values = [[taken(one) for one in each] for each in both]
            rows.append(row(quantity, pair, values, of_seeds))
        values = [[one["w"].ravel() for one in each] for each in both]
        rows.append(row("weights", pair, values, pooled))
    table(rows)


def feed_forward(workload, _, seeds):
    peers, ours, given = (runs(workload, name, seeds(name)) for name in ("snntorch", "nmc", "nmc:ff_snn_given"))
    rows, pair = [], ("nmc", "snntorch")
    for layer, reached in (("hidden", 99), ("output", 98)):
        for key, steps in ((layer, 100), (f"{layer}_first", reached)):
            rows.append(row(f"{layer}, share of {steps} steps", pair, [[one[key].mean() for one in each] for each in (ours, peers)], of_seeds))
        rows.append(row(f"{layer}, shares of neurons", pair, [[one[f"{layer}_first"] for one in each] for each in (ours, peers)], pooled))
    table(rows)
    print("| with snnTorch's weights and numbers | nmc | snnTorch | difference | p of a t-test | single neurons differ at most by |\n| --- | --- | --- | --- | --- | --- |")
    for layer in ("hidden", "output"):
        a, b = (np.array([one[f"{layer}_first"] for one in each]) for each in (given, peers))
        off = (a - b).mean(1)
        print(f"| {layer} | {shown(a.mean(1), 5)} | {shown(b.mean(1), 5)} | {off.mean():.1e} ± {off.std(ddof=1):.1e} | "
              f"{chance(stats.ttest_1samp(off, 0).pvalue)} | {np.abs(a - b).max():.1e} |")
    print()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workloads", nargs="*", default=list(PAIRS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--nest", type=int, default=0, help="seeds in NEST, of which a run takes minutes; none unless said")
    parser.add_argument("--numpy", type=int, default=0, help="seeds of `brunel` in numpy, step by step as nmc and as NEST; none unless said")
    chosen = parser.parse_args()
    os.makedirs(FOLDER, exist_ok=True)
    seeds = lambda name: range(1, (chosen.nest if name.startswith("nest") else chosen.seeds) + 1)
    pairs = {name: [pair for pair in PAIRS[name] if all(map(seeds, pair))] for name in chosen.workloads}
    for workload in chosen.workloads:
        for simulator in dict.fromkeys(name for pair in pairs[workload] for name in pair):
            runs(workload, simulator, seeds(simulator))
    for workload in chosen.workloads:
        print(f"**{workload}**\n")
        kind = network if workload in NETWORKS else plastic if workload in PLASTIC else feed_forward
        kind(workload, pairs[workload], seeds)
    if chosen.numpy:
        in_numpy(range(1, chosen.numpy + 1))


if __name__ == "__main__":
    main()
