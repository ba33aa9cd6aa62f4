"""The first astrocyte of Brian2's example example_2_gchi_astrocyte, in micromolar, by Runge-Kutta 4."""
from peer import *

defaultclock.dt = 1*ms
source = NeuronGroup(1, "dx/dt = 0.5*Hz : 1", threshold="x > 1", reset="x = 0", method="euler")
cell = NeuronGroup(1, """
q = 1.05*(ip3 + 0.13)/(ip3 + 0.9434) : 1
m = ip3/(ip3 + 0.13)*c/(c + 0.08) : 1
beta = 5*receptors : 1
delta = 0.2/(1 + ip3/1.5)*c**2/(c**2 + 0.09) : 1
lost = 4.5*c**4/(c**4 + 0.0625)*ip3/(ip3 + 1) + 0.1*ip3 : 1
outside = -0.045*(1 + tanh((abs(ip3 - 1) - 0.3)/0.05))*sign(ip3 - 1) : 1
dtransmitter/dt = -transmitter*40*Hz : 1
dreceptors/dt = (0.3*transmitter*(1 - receptors) - 0.5*(1 + 10*c/(c + 0.5))*receptors)*Hz : 1
dip3/dt = (beta + delta - lost + outside)*Hz : 1
dc/dt = ((6*m**3*h**3 + 0.1)*(2 - 1.18*c) - 0.9*c**2/(c**2 + 0.01))*Hz : 1
dh/dt = (q/(q + c) - h)*0.2*(q + c)*Hz : 1""", method="rk4")
cell.h = 0.9
release = Synapses(source, cell, on_pre="transmitter += 500")
release.connect()
for name in "early", "late":
    run(6*second)
    same(name, "receptors", cell.receptors[0], "at the end", 1e-8)
    same(name, "ip3", cell.ip3[0], "at the end", 1e-8)
    same(name, "calcium", cell.c[0], "at the end", 1e-8)
    same(name, "gate", cell.h[0], "at the end", 1e-8)
