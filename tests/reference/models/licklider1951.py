"""Brian2's example licklider with 100 detectors and no noise."""
from peer import *

defaultclock.dt = 0.02*ms
ears = NeuronGroup(2, """
dx/dt = (5*sin(2*pi*(200*Hz + 200*Hz*t/second)*t)**3 - x)/ms : 1 (unless refractory)""",
    threshold="x > 1", reset="x = 0", refractory=2*ms, method="euler")
cells = NeuronGroup(100, "dv/dt = -v/ms : 1", threshold="v > 0.9", reset="v = 0", method="euler")
lines = Synapses(ears, cells, on_pre="v += 0.5")
lines.connect()
lines.delay = "i*20*ms*exp(-j/99*log(20))"
spikes = SpikeMonitor(cells)
run(0.5*second)
each = [np.sum(spikes.t[spikes.i == k]/ms) for k in range(100)]
same("rising", "times", np.mean(each))
same("rising", "best", np.max(each))
same("rising", "spikes.cells", spikes.num_spikes)
