"""Brian2's example Sturzl_et_al_2000 under a wave of five sines, without noise, by Euler's method."""
from peer import *

legs = NeuronGroup(8, """
dv/dt = (1 + wave - v)/ms : 1 (unless refractory)
wave = 0.4*(sin(2*pi*210*Hz*u) + sin(2*pi*257*Hz*u + 1) + sin(2*pi*300*Hz*u + 2) + sin(2*pi*343*Hz*u + 3)
    + sin(2*pi*390*Hz*u + 4)) : 1
u = t - late : second
late : second (constant)""", threshold="v > 1", reset="v = 0", refractory=1*ms, method="euler")
legs.late = "0.5*ms*(1 - cos(2*pi*(144 - 22.5 - 45*i)/360))"
cells = NeuronGroup(8, """
dv/dt = (x - v)/ms : 1
dx/dt = (y - x)/(1.001*ms) : 1
dy/dt = -y/(1.001*ms) : 1""", threshold="v > 1", reset="v = 0", method="euler")
excite = Synapses(legs, cells, on_pre="y += 7")
excite.connect(j="i")
inhibit = Synapses(legs, cells, on_pre="y += -2", delay=0.7*ms)
inhibit.connect("abs(((j - i) % N_post) - N_post/2) <= 1")
spikes = SpikeMonitor(cells)
run(0.5*second)
each = [np.sum(spikes.t[spikes.i == k]/ms) for k in range(8)]
same("prey", "times", np.mean(each))
same("prey", "most", np.max(each))
same("prey", "least", np.min(each))
same("prey", "spikes.cells", spikes.num_spikes)
