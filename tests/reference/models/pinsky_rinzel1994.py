"""Pinsky and Rinzel's two compartments as one group, by Runge-Kutta 4."""
from peer import *

defaultclock.dt = 0.02*ms
cells = NeuronGroup(2, """
am = 0.32*(-46.9 - u)/(exp((-46.9 - u)/4) - 1) : 1
bm = 0.28*(u + 19.9)/(exp((u + 19.9)/5) - 1) : 1
m = am/(am + bm) : 1
dh/dt = (0.128*exp((-43 - u)/18)*(1 - h) - 4/(1 + exp((-20 - u)/5))*h)/ms : 1
dn/dt = (0.016*(-24.9 - u)/(exp((-24.9 - u)/5) - 1)*(1 - n) - 0.25*exp(-1 - 0.025*u)*n)/ms : 1
low = int(x < -10) : 1
ac = low*exp((x + 50)/11 - (x + 53.5)/27)/18.975 + (1 - low)*2*exp((-53.5 - x)/27) : 1
bc = low*(2*exp((-53.5 - x)/27) - ac) : 1
ds/dt = (1.6/(1 + exp(-0.072*(x - 5)))*(1 - s) - 0.02*(x + 8.9)/(exp((x + 8.9)/5) - 1)*s)/ms : 1
dc/dt = (ac*(1 - c) - bc*c)/ms : 1
dq/dt = (clip(0.00002*calcium, 0, 0.01)*(1 - q) - 0.001*q)/ms : 1
influx = 10*s**2*(x - 80) : 1
dcalcium/dt = (-0.13*influx - 0.075*calcium)/ms : 1
du/dt = (-0.1*(u + 60) - 30*m**2*h*(u - 60) - 15*n*(u + 75) + 4.2*(x - u) + level/0.5)/(3*ms) : 1
dx/dt = (-0.1*(x + 60) - influx - 0.8*q*(x + 75) - 15*c*clip(calcium/250, 0, 1)*(x + 75) + 4.2*(u - x))/(3*ms) : 1
level : 1""", threshold="u > -10", refractory="u > -10", method="rk4")
cells.level = [0.75, 2.5]
cells.u = cells.x = -60
cells.h, cells.n, cells.s, cells.c, cells.q, cells.calcium = 0.999, 0.001, 0.009, 0.007, 0.01, 0.2
spikes = SpikeMonitor(cells)
run(0.5*second)
same("half_a_second", "slow", np.sum(spikes.t[spikes.i == 0]/ms))
same("half_a_second", "fast", np.sum(spikes.t[spikes.i == 1]/ms))
same("half_a_second", "spikes.cells", spikes.num_spikes)
same("half_a_second", "v_end", np.mean(cells.u), "mean voltage at the end", 1e-4)
same("half_a_second", "calcium_end", np.mean(cells.calcium), "mean calcium at the end", 1e-4)
