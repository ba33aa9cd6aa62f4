"""Brian2's example continuous_interaction at a step of 0.01 ms, gates started from the same numbers."""
from peer import *

defaultclock.dt = 0.01*ms
cells = NeuronGroup(2, """
am = 0.32*(u + 54)/(1 - exp(-(u + 54)/4))/ms : Hz
bm = 0.28*(u + 27)/(exp((u + 27)/5) - 1)/ms : Hz
ah = 0.128*exp(-(u + 50)/18)/ms : Hz
bh = 4/(1 + exp(-(u + 27)/5))/ms : Hz
an = 0.032*(u + 52)/(1 - exp(-(u + 52)/5))/ms : Hz
bn = 0.5*exp(-(u + 57)/40)/ms : Hz
u = v/mV : 1
dm/dt = am*(1 - m) - bm*m : 1
dh/dt = ah*(1 - h) - bh*h : 1
dn/dt = an*(1 - n) - bn*n : 1
ds/dt = 0.5*(1 + tanh(0.1*u))*(1 - s)/(0.2*ms) - s/(2*ms) : 1
dv/dt = (100*mS*m**3*h*(50*mV - v) + 80*mS*n**4*(-100*mV - v) + 0.1*mS*(-67*mV - v) + drive + g*(0*mV - v))/uF : volt
drive : amp
g : siemens""", threshold="v > 0*mV", refractory="v > 0*mV", method="exponential_euler")
cells.v = [-70, -65]*mV
cells.m, cells.h, cells.n = 0.0308, 0.9988, 0.0522
cells.drive = [1.5, 0]*uA
opened = Synapses(cells, cells, "g_post = 0.25*mS*s_pre : siemens (summed)")
opened.connect(i=0, j=1)
spikes = SpikeMonitor(cells)
run(100*ms)
same("driven", "first", np.sum(spikes.t[spikes.i == 0]/ms))
same("driven", "second", np.sum(spikes.t[spikes.i == 1]/ms))
same("driven", "v_end", np.mean(cells.v/mV), "mean voltage at the end", 1e-7)
same("driven", "s_end", np.mean(cells.s), "mean of s at the end", 1e-9)
