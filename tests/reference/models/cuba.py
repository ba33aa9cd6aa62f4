"""Brian2's example CUBA for 0.3 s."""
from peer import *

rates, cvs = [], []
for k in range(5):
    seed(k)
    start_scope()
    cells = NeuronGroup(4000, """
    dv/dt = (ge + gi - (v + 49*mV))/(20*ms) : volt (unless refractory)
    dge/dt = -ge/(5*ms) : volt
    dgi/dt = -gi/(10*ms) : volt""", threshold="v > -50*mV", reset="v = -60*mV", refractory=5*ms, method="exact")
    cells.v = "-60*mV + rand()*10*mV"
    excite = Synapses(cells, cells, on_pre="ge += 1.62*mV")
    excite.connect("i < 3200", p=0.02)
    inhibit = Synapses(cells, cells, on_pre="gi += -9*mV")
    inhibit.connect("i >= 3200", p=0.02)
    spikes = SpikeMonitor(cells)
    run(0.3*second)
    rates.append(spikes.num_spikes/4000/0.3)
    cvs.append(irregularity(spikes, 4000, 50))
spread("balanced", "rate_hz.cells", rates, "rate", 0.2)
spread("balanced", "irregularity", cvs, "coefficient of variation", 0.01)
