"""Brian2's example IF_curve_Hodgkin_Huxley with 20 neurons."""
from peer import *

group = NeuronGroup(20, """
dv/dt = (10*nS*(-65*mV - v) + 20*uS*m**3*h*(50*mV - v) + 6*uS*n**4*(-90*mV - v) + level) / (200*pF) : volt
dm/dt = 1.28/exprel((13 - u)/4)/ms*(1 - m) - 1.4/exprel((u - 40)/5)/ms*m : 1
dn/dt = 0.16/exprel((15 - u)/5)/ms*(1 - n) - 0.5*exp((10 - u)/40)/ms*n : 1
dh/dt = 0.128*exp((17 - u)/18)/ms*(1 - h) - 4/(1 + exp((40 - u)/5))/ms*h : 1
u = (v + 63*mV)/mV : 1
level : amp""", threshold="v > -40*mV", refractory="v > -40*mV", method="exponential_euler")
group.v = -65*mV
group.level = "0.7*nA * i / 20"
spikes = SpikeMonitor(group)
run(0.5*second)
same("half_a_second", "times", times(spikes, 20))
same("half_a_second", "spikes.cells", spikes.num_spikes)
same("half_a_second", "v_end", np.mean(group.v/mV), "mean voltage at the end", 1e-6)
