"""Brian2's example Brette_Gerstner_2005, its three behaviours in one group."""
from peer import *

cells = NeuronGroup(3, """
dv/dt = (30*nS*(-70.6*mV - v) + 30*nS*2*mV*exp((v + 50.4*mV)/(2*mV)) + drive - w)/(281*pF) : volt
dw/dt = (a*(v + 70.6*mV) - w)/tau : amp
drive : amp
tau : second
a : siemens
b : amp
r : volt""", threshold="v > -40.4*mV", reset="v = r; w += b", method="euler")
cells.tau = [144, 20, 144]*ms
cells.a = [4, 4, 2*281/144]*nS
cells.b = [80.5, 500, 0]*pA
cells.r = [-70.6, -45.4, -70.6]*mV
cells.v = -70.6*mV
spikes = SpikeMonitor(cells)
for level, length in (0, 20), (1, 100), (0, 20):
    cells.drive = level*nA
    run(length*ms)
for k, name in enumerate(["regular", "bursts", "fast"]):
    same("current_step", name, np.sum(spikes.t[spikes.i == k]/ms))
same("current_step", "w_end", np.mean(cells.w/pA), "mean adaptation at the end")
