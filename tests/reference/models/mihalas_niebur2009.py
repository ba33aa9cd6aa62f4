"""Mihalas and Niebur's neuron, four patterns, by Runge-Kutta 4."""
from peer import *

cells = NeuronGroup(4, """
di1/dt = -200*Hz*i1 : 1
di2/dt = -20*Hz*i2 : 1
dv/dt = (i1 + i2 + level*1000 - 50*(v + 70))*Hz : 1
dthr/dt = (a*(v + 70) - 10*(thr + 50))*Hz : 1
a : 1
level : 1
first : 1
extra : 1""", threshold="v > thr", reset="i1 = first*1000; i2 += extra*1000; v = -70; thr = clip(thr, -60, inf)", method="rk4")
cells.a = [0, 5, 5, 5]
cells.level = [1.5, 1.5, 2, 2]
cells.first = [0, 0, 0, 10]
cells.extra = [0, 0, 0, -0.6]
cells.v, cells.thr = -70, -50
spikes = SpikeMonitor(cells)
run(0.5*second)
for k, name in enumerate(["tonic", "phasic", "adapting", "bursts"]):
    same("half_a_second", name, np.sum(spikes.t[spikes.i == k]/ms))
same("half_a_second", "spikes.cells", spikes.num_spikes)
same("half_a_second", "threshold_end", np.mean(cells.thr), "mean threshold at the end")
