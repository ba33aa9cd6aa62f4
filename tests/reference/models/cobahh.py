"""Brian2's example COBAHH for 0.3 s; its neurons without connections."""
from peer import *


def group(count):
    return NeuronGroup(count, """
    dv/dt = (10*nS*(leak - v) + ge*(0*mV - v) + gi*(-80*mV - v) + 20*uS*m**3*h*(50*mV - v) + 6*uS*n**4*(-90*mV - v))/(200*pF) : volt
    dm/dt = 1.28/exprel((13 - u)/4)/ms*(1 - m) - 1.4/exprel((u - 40)/5)/ms*m : 1
    dn/dt = 0.16/exprel((15 - u)/5)/ms*(1 - n) - 0.5*exp((10 - u)/40)/ms*n : 1
    dh/dt = 0.128*exp((17 - u)/18)/ms*(1 - h) - 4/(1 + exp((40 - u)/5))/ms*h : 1
    dge/dt = -ge/(5*ms) : siemens
    dgi/dt = -gi/(10*ms) : siemens
    u = (v + 63*mV)/mV : 1""", threshold="v > -20*mV", refractory=3*ms, method="exponential_euler")


rates, cvs = [], []
leak = -60*mV
for k in range(8):
    seed(k)
    start_scope()
    cells = group(4000)
    cells.v = "(-65 + randn()*5)*mV"
    cells.ge = "(randn()*1.5 + 4)*10*nS"
    cells.gi = "(randn()*12 + 20)*10*nS"
    excite = Synapses(cells, cells, on_pre="ge += 6*nS")
    excite.connect("i < 3200", p=0.02)
    inhibit = Synapses(cells, cells, on_pre="gi += 67*nS")
    inhibit.connect("i >= 3200", p=0.02)
    spikes = SpikeMonitor(cells)
    run(0.3*second)
    rates.append(spikes.num_spikes/4000/0.3)
    cvs.append(irregularity(spikes, 4000, 50))
spread("balanced", "rate_hz.cells", rates, "rate")
spread("balanced", "irregularity", cvs, "coefficient of variation")

start_scope()
leak = -48*mV
cells = group(100)
cells.v, cells.ge, cells.gi = "-80*mV + i*0.2*mV", "i*nS", "200*nS - i*nS"
spikes = SpikeMonitor(cells)
run(0.3*second)
same("unjoined", "times", times(spikes, 100))
same("unjoined", "spikes.cells", spikes.num_spikes)
same("unjoined", "v_end", np.mean(cells.v/mV), "mean voltage at the end", 1e-6)
