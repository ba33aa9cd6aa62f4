"""Runs the workloads of benches/run and prints a JSON line for each."""
import array, json, os, random, shutil, struct, subprocess, sys, time, zipfile

NMC = "target/release/nmc"
SCRATCH = "target/benches"


def once(arguments):
    """One process: its JSON output (or None), its whole seconds, its peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([NMC, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, told = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{arguments}: {told.decode()}")
    return json.loads(printed) if printed.startswith(b"{") else None, seconds, usage.ru_maxrss / 1024


def best(arguments, key):
    """After a warm-up the run with the least `key` of three."""
    once(arguments)
    return min((once(arguments) for _ in range(3)), key=key)


def simulated(workload, file, arguments, checked, **more):
    """Seconds of the simulation alone; the whole process stands beside it."""
    of = lambda run: run[0]["experiments"][0]
    run = best(["run", file, "--json", *arguments], lambda run: of(run)["seconds"]["run"])
    seconds, metrics = of(run)["seconds"], of(run)["metrics"]
    line(workload, seconds["run"], seconds["compile"] + seconds["jit"], run[2], {name: metrics[name] for name in checked},
         load_seconds=seconds["load"], whole_seconds=run[1], precision=of(run)["precision"], threads=of(run)["threads"],
         fallbacks=of(run)["fallbacks"], **more)


def line(workload, seconds, compile_seconds, peak_mb, check, **more):
    rounded = lambda value: float(f"{value:.4g}") if isinstance(value, float) else value
    keys = {"workload": workload, "seconds": seconds, "compile_seconds": compile_seconds, "peak_mb": peak_mb, **more}
    print(json.dumps({**{key: rounded(value) for key, value in keys.items()},
                      "check": {key: rounded(value) for key, value in check.items()}}), flush=True)


def coba(precision, name):
    simulated(name, "examples/balanced_network.nmc", ["--precision", precision], ["rate_hz.exc", "rate_hz.inh"],
              integrator="exponential Euler, dt 0.1 ms, 1 s")


def start():
    run = best(["run", "examples/hello_spikes.nmc", "--json"], lambda run: run[1])
    entry = run[0]["experiments"][0]
    line("start", run[1], entry["seconds"]["compile"] + entry["seconds"]["jit"], run[2],
         {"spikes.followers": entry["metrics"]["spikes.followers"]})


def check_10k():
    """Many small definitions of every common kind, 10,000 lines; checked, with an experiment for each part."""
    part = open("benches/workloads/check_part.nmc").read()
    text = "use std.chip.crossbars48\nuse std.neuron.lif\nuse std.synapse.exp_current\n"
    number = 0
    while text.count("\n") < 10_000:
        text += part.replace("PART", str(number))
        number += 1
    os.makedirs(SCRATCH, exist_ok=True)
    file = f"{SCRATCH}/check_10k.nmc"
    open(file, "w").write(text)
    run = best(["check", file], lambda run: run[1])
    line("check_10k", run[1], run[1], run[2], {"lines": text.count("\n"), "definitions": 6 * number})


def noisy_inference():
    simulated("noisy_inference", "benches/workloads/noisy_inference.nmc", [], ["accuracy"], samples=2000,
              hardware="tiles 256x256, 8-bit converters, hfox_1t1r with programming and read noise")


def stored(file, arrays):
    """An npz file of arrays of doubles, {name: (shape, values)}."""
    with zipfile.ZipFile(file, "w") as folder:
        for name, (shape, values) in arrays.items():
            header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
            header += " " * (-(len(header) + 11) % 64) + "\n"
            head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
            folder.writestr(name + ".npy", head + array.array("d", values).tobytes())


def insitu_training():
    """Soft-bounds cells of AIHWKIT's size and spread, learning rate 0.1, trains of up to 31 slots."""
    dice = random.Random(0)
    os.makedirs(SCRATCH, exist_ok=True)
    stored(f"{SCRATCH}/data.npz", {"x": ([1000, 784], [dice.random() for _ in range(784_000)]),
                                   "y": ([1000], [float(dice.randrange(10)) for _ in range(1000)])})
    shutil.copy("benches/workloads/insitu_training.nmc", f"{SCRATCH}/insitu_training.nmc")
    for batch in (1, 10):
        simulated("insitu_training", f"{SCRATCH}/insitu_training.nmc", ["--set", f"batch={batch}", "--threads", "1"],
                  ["loss.training"], samples=1000, batch=batch)


def wire_resistance():
    """One read of an array with resisting wires, from conductances to currents: what is told is load and run together."""
    for n in (64, 128, 256, 512, 1024):
        dice = random.Random(n)
        siemens = [1 / dice.uniform(1e4, 1e6) for _ in range(n * n)]
        os.makedirs(SCRATCH, exist_ok=True)
        stored(f"{SCRATCH}/wires.npz",
               {"siemens": ([n, n], siemens), "volts": ([1, n], [dice.random() for _ in range(n)])})
        shutil.copy("benches/workloads/wire_resistance.nmc", f"{SCRATCH}/wire_resistance.nmc")
        of = lambda run: run[0]["experiments"][0]
        seconds = lambda run: of(run)["seconds"]["load"] + of(run)["seconds"]["run"]
        run = best(["run", f"{SCRATCH}/wire_resistance.nmc", "--json", "--precision", "f64", "--set", f"n={n}", "--set",
                    f"g_max={max(siemens)!r} S"], seconds)
        line("wire_resistance", seconds(run), of(run)["seconds"]["compile"] + of(run)["seconds"]["jit"], run[2],
             {"amperes": of(run)["metrics"]["amperes"]}, n=n, whole_seconds=run[1], precision=of(run)["precision"])


def brunel():
    simulated("brunel", "benches/workloads/brunel.nmc", ["--threads", "1"], ["rate_hz.exc", "rate_hz.inh"],
              neurons=12_500, synapses=15_625_000, integrator="exact, dt 0.1 ms, 1 s")


def stdp(name, settings):
    simulated(name, "benches/workloads/stdp.nmc", ["--threads", "1", *settings], ["rate_hz.inputs", "rate_hz.output"],
              integrator="exponential Euler, dt 0.1 ms")


def ff_snn():
    dice = random.Random(0)
    os.makedirs(SCRATCH, exist_ok=True)
    stored(f"{SCRATCH}/data.npz", {"x": ([1000, 784], [dice.random() for _ in range(784_000)])})
    shutil.copy("benches/workloads/ff_snn.nmc", f"{SCRATCH}/ff_snn.nmc")
    for threads in ("1", "2"):
        simulated("ff_snn", f"{SCRATCH}/ff_snn.nmc", ["--threads", threads],
                  ["rate_hz.source", "rate_hz.hidden", "rate_hz.output"], samples=1000, steps=100)


WORKLOADS = {
    "coba": lambda: coba("f32", "coba"), "coba_f64": lambda: coba("f64", "coba_f64"), "start": start,
    "brunel": brunel, "stdp_one": lambda: stdp("stdp_one", []), "ff_snn": ff_snn,
    "stdp_many": lambda: stdp("stdp_many", ["--set", "neurons=100", "--set", "duration=10 s"]),
    "check_10k": check_10k, "noisy_inference": noisy_inference,
    "insitu_training": insitu_training, "wire_resistance": wire_resistance,
}

for name in sys.argv[1:] or WORKLOADS:
    if name not in WORKLOADS:
        sys.exit(f"there is no workload {name}: one of {', '.join(WORKLOADS)}")
    WORKLOADS[name]()
