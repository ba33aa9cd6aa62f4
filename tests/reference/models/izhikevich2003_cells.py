"""The neuron of Brian2's example Izhikevich_2003 in its classes."""
from peer import *

cells = NeuronGroup(5, """
dv/dt = (0.04*v**2 + 5*v + 140 - u + 10)/ms : 1
du/dt = a*(b*v - u)/ms : 1
a : 1
b : 1
c : 1
d : 1""", threshold="v >= 30", reset="v = c; u += d", method="euler")
cells.a = [0.02, 0.02, 0.02, 0.1, 0.02]
cells.b = [0.2, 0.2, 0.2, 0.2, 0.25]
cells.c = [-65, -55, -50, -65, -65]
cells.d = [8, 4, 2, 2, 2]
cells.v = -65
cells.u = "b*v"
spikes = SpikeMonitor(cells)
run(0.3*second)
for k, name in enumerate(["regular", "bursting", "chattering", "fast", "low_threshold"]):
    same("constant_current", name, np.sum(spikes.t[spikes.i == k]/ms))
same("constant_current", "u_end", np.mean(cells.u), "mean of u at the end; upstrokes that overshoot enlarge rounding", 1e-3)
