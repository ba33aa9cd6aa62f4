"""Brian2's example phase_locking, started from values that are no random ones."""
from peer import *

cells = NeuronGroup(
    100, "dv/dt = (-v + a*sin(2*pi*10*Hz*t) + 1.2)/(20*ms) : 1\na : 1",
    threshold="v > 1", reset="v = 0", method="euler")
cells.v = "i/100"
cells.a = "0.05 + 0.7*i/100"
spikes = SpikeMonitor(cells)
run(1*second)
same("second", "times", times(spikes, 100))
same("second", "v_end", np.mean(cells.v), "mean of v at the end")
