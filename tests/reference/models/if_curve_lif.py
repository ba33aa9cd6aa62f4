"""Brian2's example IF_curve_LIF with 100 neurons."""
from peer import *

group = NeuronGroup(
    100, "dv/dt = (v0 - v) / (10*ms) : volt (unless refractory)\nv0 : volt",
    threshold="v > 10*mV", reset="v = 0*mV", refractory=5*ms, method="exact")
group.v0 = "20*mV * i / 99"
spikes = SpikeMonitor(group)
run(1*second)
same("second", "times", times(spikes, 100))
same("second", "rate_hz.cells", spikes.num_spikes / 100)
