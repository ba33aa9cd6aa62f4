"""Brian2's example Touboul_Brette_2008 with 50 neurons for 0.3 s."""
from peer import *

defaultclock.dt = 0.01*ms
cells = NeuronGroup(50, """
dv/dt = (30*nS*(-70.6*mV - v) + 30*nS*2*mV*exp((v + 50.4*mV)/(2*mV)) + 0.8*nA - w)/(281*pF) : volt
dw/dt = (4*nS*(v + 70.6*mV) - w)/(40*ms) : amp
r : volt""", threshold="v > -40.4*mV", reset="v = r; w += 80*pA", method="euler")
cells.r = "-48.3*mV + 0.6*mV*i/49"
cells.v = -70.6*mV
spikes = SpikeMonitor(cells)
run(0.3*second)
same("bifurcation", "times", times(spikes, 50))
same("bifurcation", "spikes.cells", spikes.num_spikes)
same("bifurcation", "w_end", np.mean(cells.w/pA), "mean adaptation at the end")
