"""Brian2's example Hindmarsh_Rose_1984."""
from peer import *

cells = NeuronGroup(3, """
dx/dt = (y - x**3 + 3*x**2 + I - z)/ms : 1
dy/dt = (1 - 5*x**2 - y)/ms : 1
dz/dt = 0.001*(4*(x + 1.6) - z)/ms : 1
I : 1 (constant)""", threshold="x > 1", refractory="x > 1", method="rk4")
cells.x = -1.6
cells.y = "1 - 5*x**2"
cells.I = [0.4, 2, 4]
spikes = SpikeMonitor(cells)
run(2.1*second)
same("bursts", "times", times(spikes, 3))
same("bursts", "spikes.cells", spikes.num_spikes)
same("bursts", "x_end", np.mean(cells.x), "mean of x at the end", 1e-6)
same("bursts", "z_end", np.mean(cells.z), "mean of z at the end", 1e-6)
