"""FitzHugh and Nagumo's equations under 17 currents."""
from peer import *

cells = NeuronGroup(17, """
dv/dt = (v - v**3/3 - w + i/10)/ms : 1
dw/dt = 0.08*(v + 0.7 - 0.8*w)/ms : 1""", threshold="v > 1", refractory="v > 1", method="rk4")
cells.v = -1.1994
cells.w = -0.6243
spikes = SpikeMonitor(cells)
run(0.4*second)
same("oscillations", "times", times(spikes, 17))
same("oscillations", "spikes.cells", spikes.num_spikes)
same("oscillations", "v_end", np.mean(cells.v), "mean of v at the end", 1e-8)
same("oscillations", "w_end", np.mean(cells.w), "mean of w at the end", 1e-8)
