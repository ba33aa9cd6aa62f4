"""Runs of a workload in Brian2, C++ standalone, one thread: brian2_runs.py WORKLOAD FOLDER FILE SEED… writes FILE with each seed in place of `{}`.

The models are those of Brian2's documentation. One program, built in FOLDER, takes every seed."""
import os, sys
import numpy
from brian2 import *

workload, folder, file, seeds = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
set_device("cpp_standalone", build_on_run=False, directory=folder)
device.insert_code("main", 'brian::_random_generators[0].seed(std::atol(std::getenv("SEED")));')
defaultclock.dt = 0.1 * ms


def finished(spikes, duration, plastic=None):
    run(duration, level=1)
    device.build(directory=folder, run=False)
    for seed in seeds:
        os.environ["SEED"] = seed
        device.run(with_output=False)
        kept = dict(step=numpy.round(spikes.t / defaultclock.dt).astype(int), neuron=numpy.asarray(spikes.i))
        if plastic is not None:
            kept["w"] = numpy.asarray(plastic.w[:])
        numpy.savez(file.format("part"), **kept)
        os.replace(file.format("part"), file.format(seed))


def coba():
    we, wi = 6 * nS, 67 * nS
    cells = NeuronGroup(4000, """
        dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v)) / (200*pF) : volt (unless refractory)
        dge/dt = -ge / (5*ms) : siemens
        dgi/dt = -gi / (10*ms) : siemens""",
        threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exponential_euler")
    cells.v, cells.ge, cells.gi = "(-65 + 5*randn())*mV", "(40 + 15*randn())*nS", "(200 + 120*randn())*nS"
    excite = Synapses(cells, cells, on_pre="ge += we", delay=0.1 * ms)
    excite.connect("i < 3200", p=0.02)
    inhibit = Synapses(cells, cells, on_pre="gi += wi", delay=0.1 * ms)
    inhibit.connect("i >= 3200", p=0.02)
    spikes = SpikeMonitor(cells)
    finished(spikes, 1 * second)


def brunel():
    jump = 0.1 * mV
    cells = NeuronGroup(12500, "dv/dt = -v / (20*ms) : volt (unless refractory)", threshold="v > 20*mV", reset="v = 0*mV", refractory=2 * ms, method="exact")
    drive = PoissonInput(cells, "v", 1000, 20 * Hz, jump)
    excite = Synapses(cells, cells, on_pre="v += jump", delay=1.5 * ms)
    excite.connect(i="k for k in sample(0, 10000, size=1000)")
    inhibit = Synapses(cells, cells, on_pre="v -= 5*jump", delay=1.5 * ms)
    inhibit.connect(i="k for k in sample(10000, 12500, size=250)")
    spikes = SpikeMonitor(cells)
    finished(spikes, 0.4 * second)


def stdp(neurons, duration):
    apre, apost = 0.01, -0.0105
    inputs = PoissonGroup(1000, rates=15 * Hz)
    cells = NeuronGroup(neurons, """
        dv/dt = (ge*(0*mV - v) - 74*mV - v) / (10*ms) : volt
        dge/dt = -ge / (5*ms) : 1""", threshold="v > -54*mV", reset="v = -60*mV", method="euler")
    cells.v = -60 * mV
    plastic = Synapses(inputs, cells, """
        w : 1
        dx/dt = -x / (20*ms) : 1 (event-driven)
        dy/dt = -y / (20*ms) : 1 (event-driven)""",
        on_pre="""ge += 0.01*w
        x += apre
        w = clip(w + y, 0, 1)""",
        on_post="""y += apost
        w = clip(w + x, 0, 1)""")
    plastic.connect()
    plastic.w = "rand()"
    spikes = SpikeMonitor(cells)
    finished(spikes, duration, plastic)


{
    "coba": coba, "brunel": brunel, "stdp_one": lambda: stdp(1, 100 * second), "stdp_many": lambda: stdp(100, 10 * second),
}[workload]()
