"""Escape noise by an exponential hazard."""
from peer import *

found = []
for k in range(3):
    seed(k)
    start_scope()
    cells = NeuronGroup(
        300, "dv/dt = (-55*mV - v)/(10*ms) : volt (unless refractory)",
        threshold="rand() < 1 - exp(-0.1*exp((v + 52*mV)/(2*mV)))", reset="v = -70*mV", refractory=4*ms, method="exact")
    cells.v = -70*mV
    spikes = SpikeMonitor(cells)
    run(0.5*second)
    found.append([spikes.num_spikes/150, irregularity(spikes, 300), np.mean(cells.v/mV)])
for metric, values, own in zip(["rate_hz.cells", "irregularity", "v_end"], np.transpose(found), [0.5, 0.02, 0.2]):
    spread("half_a_second", metric, values, metric, own)
