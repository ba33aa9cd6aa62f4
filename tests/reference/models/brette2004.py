"""Brian2's example Brette_2004 with 200 neurons for two seconds."""
from peer import *

cells = NeuronGroup(
    200, "dv/dt = (-v + a + 2*sin(2*pi*t/(100*ms)))/(100*ms) : 1\na : 1",
    threshold="v > 1", reset="v = 0", method="euler")
cells.a = "2 + 2*i/199"
spikes = SpikeMonitor(cells)
run(2*second)
same("two_seconds", "times", times(spikes, 200))
same("two_seconds", "spikes.cells", spikes.num_spikes)
same("two_seconds", "v_end", np.mean(cells.v), "mean of v at the end")
