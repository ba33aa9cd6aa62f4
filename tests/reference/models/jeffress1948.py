"""Brian2's example jeffress under a sum of three sines from one place."""
from peer import *

defaultclock.dt = 0.02*ms
for name, side in ("ahead", 0), ("aside", 0.8660254037844386):
    start_scope()
    ears = NeuronGroup(2, """
    dx/dt = (4*(sin(2*pi*437*Hz*u) + sin(2*pi*620*Hz*u) + sin(2*pi*811*Hz*u)) - x)/ms : 1 (unless refractory)
    u = t - late : second
    late : second (constant)""", threshold="x > 1", reset="x = 0", refractory=2.5*ms, method="euler")
    ears.late = [0.3334*(1 - side), 0.3334*(1 + side)]*ms
    cells = NeuronGroup(30, "dv/dt = -v/ms : 1", threshold="v > 1", reset="v = 0", method="euler")
    lines = Synapses(ears, cells, on_pre="v += 0.55")
    lines.connect()
    lines.delay["i == 0"] = "0.7334*ms*j/29"
    lines.delay["i == 1"] = "0.7334*ms*(29 - j)/29"
    spikes = SpikeMonitor(cells)
    run(0.3*second)
    each = [np.sum(spikes.t[spikes.i == k]/ms) for k in range(30)]
    same(name, "times", np.mean(each))
    same(name, "best", np.max(each))
    same(name, "spikes.cells", spikes.num_spikes)
