"""Brian2's example nonlinear, each synapse on a neuron of its own, by exponential Euler."""
from peer import *

source = NeuronGroup(2, "dv/dt = 1/(10*ms) : 1", threshold="v > 1", reset="v = 0", method="euler")
source.v = [0, 0.5]
cells = NeuronGroup(2, "dv/dt = (g - v)/(10*ms) : 1\ng : 1", method="exact")
gates = Synapses(source, cells, """
dg_syn/dt = x*(1 - g_syn)/(10*ms) - g_syn/(10*ms) : 1 (clock-driven)
dx/dt = -x/(10*ms) : 1 (clock-driven)
g_post = g_syn : 1 (summed)
w : 1""", on_pre="x += w", method="exponential_euler")
gates.connect(j="i")
gates.w = [1, 10]
run(1*second)
same("second", "v_end", np.mean(cells.v), "mean of v at the end")
same("second", "v_largest", np.max(cells.v), "largest v at the end")
