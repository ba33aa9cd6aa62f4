"""Brian2's example STDP with 200 regular inputs; the sum of all weights at the arrivals of spikes."""
from peer import *

trains = [np.arange(10 + 3*k, 20000, 500 + 2*k) for k in range(200)]
source = SpikeGeneratorGroup(
    200, np.concatenate([np.full(len(train), k) for k, train in enumerate(trains)]), np.concatenate(trains)*0.1*ms)
cell = NeuronGroup(1, """
dv/dt = (-74*mV - v + g*Gohm*(0*mV - v))/(10*ms) : volt
dg/dt = -g/(5*ms) : siemens
weights : 1""", threshold="v > -54*mV", reset="v = -60*mV", method="exponential_euler")
cell.v = -74*mV
rule = Synapses(source, cell, """
w : 1
dx/dt = -x/(20*ms) : 1 (event-driven)
dy/dt = -y/(20*ms) : 1 (event-driven)""",
    on_pre="g_post += 0.05*nS*w; x += 1; w = clip(w - 0.0105*y, 0, 1); weights_post += w",
    on_post="y += 1; w = clip(w + 0.01*x, 0, 1)")
rule.connect()
rule.w = "i*0.37 - floor(i*0.37)"
spikes = SpikeMonitor(cell)
run(2*second)
same("two_seconds", "times", times(spikes, 1))
same("two_seconds", "spikes.cells", spikes.num_spikes)
same("two_seconds", "weights", cell.weights[0], "weights at the arrivals of spikes, added up")
