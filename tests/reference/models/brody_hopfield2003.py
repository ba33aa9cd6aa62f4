"""NEST's example BrodyHopfield in Brian2, without noise."""
from peer import *

for name, level in ("rhythm", 50), ("alone", 0):
    start_scope()
    cells = NeuronGroup(100, """
    dv/dt = (10*mV - v)/(20*ms) + (140*pA + 0.6*pA*i + level*pA*sin(2*pi*35*Hz*t))/(200*pF) : volt (unless refractory)""",
        threshold="v > 20*mV", reset="v = 0*mV", refractory=2*ms, method="euler")
    spikes = SpikeMonitor(cells)
    run(0.6*second)
    same(name, "times", times(spikes, 100))
    same(name, "spikes.cells", spikes.num_spikes)
    same(name, "v_spread", np.std(cells.v/mV), "standard deviation of voltages at the end", 1e-9)
