"""The neuron of Brian2's example Wang_Buszaki_1996, 20 of them that inhibit each other, by Euler's method."""
from peer import *

defaultclock.dt = 0.02*ms
for name, g in ("together", 0.1), ("alone", 0):
    start_scope()
    cells = NeuronGroup(20, """
    am = 1/exprel(-(u + 35)/10) : 1
    bm = 4*exp(-(u + 60)/18) : 1
    m = am/(am + bm) : 1
    dh/dt = 5*(0.07*exp(-(u + 58)/20)*(1 - h) - 1/(exp(-0.1*(u + 28)) + 1)*h)/ms : 1
    dn/dt = 5*(0.1/exprel(-(u + 34)/10)*(1 - n) - 0.125*exp(-(u + 44)/80)*n)/ms : 1
    ds/dt = (12/(1 + exp(-u/2))*(1 - s) - 0.1*s)/ms : 1
    dv/dt = (35*mS*m**3*h*(55*mV - v) + 9*mS*n**4*(-90*mV - v) + 0.1*mS*(-65*mV - v) + (0.995 + 0.01*i/19)*uA
        + gaba*(-75*mV - v))/uF : volt
    u = v/mV : 1
    gaba : siemens""", threshold="v > 0*mV", refractory="v > 0*mV", method="euler")
    cells.v = "-70*mV + 15*mV*(i*0.37 - floor(i*0.37))"
    cells.h, cells.n = 0.9, 0.05
    inhibit = Synapses(cells, cells, "gaba_post = g*mS/20*s_pre : siemens (summed)")
    inhibit.connect("i != j")
    spikes = SpikeMonitor(cells)
    run(0.25*second)
    same(name, "times", times(spikes, 20))
    same(name, "spikes.cells", spikes.num_spikes)
    same(name, "v_spread", np.std(cells.v/mV), "standard deviation of voltages at the end", 1e-5)
