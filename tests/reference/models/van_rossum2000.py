"""Pair plasticity and scaling of 50 regular inputs."""
from peer import *

trains = [np.arange(10 + 3*k, 10000, 300 + 2*k) for k in range(50)]
source = SpikeGeneratorGroup(
    50, np.concatenate([np.full(len(train), k) for k, train in enumerate(trains)]), np.concatenate(trains)*0.1*ms)
cell = NeuronGroup(1, """
dv/dt = (-60*mV - v + g*0.3*Gohm*(0*mV - v))/(20*ms) : volt (unless refractory)
dg/dt = -g/(5*ms) : siemens
weights : 1""", threshold="v > -50*mV", reset="v = -60*mV", refractory=2*ms, method="exponential_euler")
cell.v = -60*mV
rule = Synapses(source, cell, """
w : 1
dx/dt = -x/(20*ms) : 1 (event-driven)
dy/dt = -y/(20*ms) : 1 (event-driven)""",
    on_pre="g_post += nS*w; x += 1; w = clip(w - 0.003*y, 0, 1); weights_post += w",
    on_post="y += 1; w = clip(w + 0.006*x, 0, 1)")
rule.connect()
rule.w = "0.05 + 0.1*(i*0.37 - floor(i*0.37))"


@network_operation(dt=100*ms, when="start")
def scale():
    if defaultclock.t > 0*ms:
        rule.w *= 5/np.sum(rule.w)


spikes = SpikeMonitor(cell)
run(1*second)
same("second", "times", times(spikes, 1))
same("second", "spikes.cells", spikes.num_spikes)
same("second", "weights", cell.weights[0], "weights at the arrivals of spikes, added up")
