"""How time and memory grow with neurons and synapses: the rows of docs/statistics.md, from workloads/growth.nmc.

python3 benches/growth.py [NMC]: one thread, seconds of the processor: of a process that builds and takes one step, and of one that goes
on, whose difference is simulation. The median of three up to ten million synapses, one run above, of half a second above a hundred million."""
import json, os, statistics, subprocess, sys

NMC = sys.argv[1] if len(sys.argv) > 1 else "target/release/nmc"
# Neurons, inputs of each, and whether each synapse has a weight of its own.
SIZES = [(1_000, 0, 0), (10_000, 0, 0), (100_000, 0, 0), (1_000_000, 0, 0), (1_000, 1_000, 0), (10_000, 100, 0), (10_000, 1_000, 0),
         (10_000, 1_000, 1), (100_000, 100, 0), (100_000, 100, 1), (100_000, 1_000, 0), (1_000_000, 100, 0), (1_000_000, 500, 0),
         (1_000_000, 1_000, 0)]


def once(neurons, inputs, own, seconds):
    """Seconds of the processor, peak memory in bytes, the rate."""
    settings = [f"neurons={neurons}", f"inputs={inputs}", f"own_weights={own}", f"duration={seconds} s"]
    arguments = ["run", "benches/workloads/growth.nmc", "--json", "--threads", "1", *(word for s in settings for word in ("--set", s))]
    process = subprocess.Popen([NMC, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{arguments}: status {status}")
    rate = json.loads(printed)["experiments"][0]["metrics"]["rate_hz.cells"]
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, rate


print("| neurons | synapses | to build, s | a simulated second, s | spikes a second | peak memory, MB | bytes a neuron | bytes a synapse |")
print("| --- | --- | --- | --- | --- | --- | --- | --- |")
none, alone = once(1, 0, 0, 0.0001)[1], {}
for neurons, inputs, own in SIZES:
    synapses = neurons * inputs
    seconds = 0.5 if synapses > 100_000_000 else 1
    runs = [(once(neurons, inputs, own, 0.0001), once(neurons, inputs, own, seconds)) for _ in range(3 if synapses <= 10_000_000 else 1)]
    built = statistics.median(short[0] for short, _ in runs)
    simulated = statistics.median((long[0] - short[0]) / seconds for short, long in runs)
    memory = statistics.median(long[1] for _, long in runs)
    if not inputs:
        alone[neurons] = memory
    a_neuron = "" if inputs or neurons < 100_000 else f"{(memory - none) / neurons:.0f}"
    a_synapse = f"{(memory - alone[neurons]) / synapses:.1f}" if inputs else ""
    many = f"{synapses:,}{', each its own weight' if own else ''}"
    print(f"| {neurons:,} | {many} | {built:.2g} | {simulated:.2g} | {neurons * runs[0][1][2]:,.0f} | {memory / 1e6:,.0f} | {a_neuron} | {a_synapse} |",
          flush=True)
