"""Brian2's example Brette_Guigon_2003 under two sines, without noise."""
from peer import *

cells = NeuronGroup(100, """
dv/dt = (v*(0.5 + 3*p*B) + 1)/(33*ms) : 1
B = 2/(1 + exp(-2*x)) - 1 : 1
x = sin(2*pi*7*Hz*t) + sin(2*pi*17.3*Hz*t) : 1
p = i/100 : 1""", threshold="v > 1", reset="v = 0", method="euler")
cells.v = "i*0.37 - floor(i*0.37)"
spikes = SpikeMonitor(cells)
run(1*second)
same("second", "times", times(spikes, 100))
same("second", "spikes.cells", spikes.num_spikes)
same("second", "v_end", np.mean(cells.v), "mean of v at the end", 1e-8)
