"""Brian2's example gapjunctions, by Euler's method."""
from peer import *

cells = NeuronGroup(10, "dv/dt = (1.05 - v + gap)/(10*ms) : 1\ngap : 1", threshold="v > 1", reset="v = 0", method="euler")
cells.v = "i/9"
joined = Synapses(cells, cells, "gap_post = 0.02*(v_pre - v_post) : 1 (summed)")
joined.connect()
spikes = SpikeMonitor(cells)
run(0.5*second)
same("joined", "times", times(spikes, 10))
same("joined", "v_end", np.mean(cells.v), "mean of v at the end", 1e-9)
