"""Brian2's example COBAHH with 1000 neurons, each reached by as many, for 0.25 s."""
from peer import *

rates, cvs = [], []
for k in range(5):
    seed(k)
    start_scope()
    cells = NeuronGroup(1000, """
    dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v) + 20*uS*m**3*h*(50*mV - v) + 6*uS*n**4*(-90*mV - v))/(200*pF) : volt
    dm/dt = 1.28/exprel((13 - u)/4)/ms*(1 - m) - 1.4/exprel((u - 40)/5)/ms*m : 1
    dn/dt = 0.16/exprel((15 - u)/5)/ms*(1 - n) - 0.5*exp((10 - u)/40)/ms*n : 1
    dh/dt = 0.128*exp((17 - u)/18)/ms*(1 - h) - 4/(1 + exp((40 - u)/5))/ms*h : 1
    dge/dt = -ge/(5*ms) : siemens
    dgi/dt = -gi/(10*ms) : siemens
    u = (v + 63*mV)/mV : 1""", threshold="v > -20*mV", refractory="v > -20*mV", method="exponential_euler")
    cells.v = "(-65 + randn()*5)*mV"
    cells.ge = "(randn()*1.5 + 4)*10*nS"
    cells.gi = "(randn()*12 + 20)*10*nS"
    excite = Synapses(cells, cells, on_pre="ge += 6*nS")
    excite.connect("i < 800", p=0.08)
    inhibit = Synapses(cells, cells, on_pre="gi += 67*nS")
    inhibit.connect("i >= 800", p=0.08)
    spikes = SpikeMonitor(cells)
    run(0.25*second)
    rates.append(spikes.num_spikes/1000/0.25)
    cvs.append(irregularity(spikes, 1000, 50))
spread("balanced", "rate_hz.cells", rates, "rate", 0.5)
spread("balanced", "irregularity", cvs, "coefficient of variation", 0.02)
