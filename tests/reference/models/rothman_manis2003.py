"""Brian2's example Rothman_Manis_2003: five types in one group, without the octopus cell."""
from peer import *

cells = NeuronGroup(5, """
dv/dt = (nS*(2*(-65*mV - v) + 1000*m**3*h*(50*mV - v) + potassium*(-70*mV - v) + kh*r*(-43*mV - v)) + drive)/(12*pF) : volt
potassium = kht*(0.85*n**2 + 0.15*p) + klt*w**4*z + ka*a**4*b*c : 1
dm/dt = (1/(1 + exp(-(u + 38)/7)) - m)/((10/(5*exp(q/18) + 36*exp(-q/25)) + 0.04)*ms) : 1
dh/dt = (1/(1 + exp((u + 65)/6)) - h)/((100/(7*exp(q/11) + 10*exp(-q/25)) + 0.6)*ms) : 1
dn/dt = ((1 + exp(-(u + 15)/5))**-0.5 - n)/((100/(11*exp(q/24) + 21*exp(-q/23)) + 0.7)*ms) : 1
dp/dt = (1/(1 + exp(-(u + 23)/6)) - p)/((100/(4*exp(q/32) + 5*exp(-q/22)) + 5)*ms) : 1
dr/dt = (1/(1 + exp((u + 76)/7)) - r)/((100000/(237*exp(q/12) + 17*exp(-q/14)) + 25)*ms) : 1
dw/dt = ((1/(1 + exp(-(u + 48)/6)))**0.25 - w)/((100/(6*exp(q/6) + 16*exp(-q/45)) + 1.5)*ms) : 1
dz/dt = (0.5 + 0.5/(1 + exp((u + 71)/10)) - z)/((1000/(exp(q/20) + exp(-q/8)) + 50)*ms) : 1
da/dt = ((1/(1 + exp(-(u + 31)/6)))**0.25 - a)/((100/(7*exp(q/14) + 29*exp(-q/24)) + 0.1)*ms) : 1
db/dt = (1/(1 + exp((u + 66)/7))**0.5 - b)/((1000/(14*exp(q/27) + 29*exp(-q/24)) + 1)*ms) : 1
dc/dt = (1/(1 + exp((u + 66)/7))**0.5 - c)/((90/(1 + exp((-66 - u)/17)) + 10)*ms) : 1
u = v/mV : 1
q = u + 60 : 1
kht : 1
klt : 1
ka : 1
kh : 1
drive : amp""", threshold="v > -20*mV", refractory="v > -20*mV", method="exponential_euler")
cells.v = -65*mV
cells.kht = [150, 80, 150, 150, 150]
cells.klt = [0, 0, 20, 35, 200]
cells.ka = [0, 65, 0, 0, 0]
cells.kh = [0.5, 0.5, 2, 3.5, 20]
spikes = SpikeMonitor(cells)
run(50*ms)
cells.drive = [50, 150, 250, 350, 800]*pA
run(100*ms)
for k, name in enumerate(["1c", "1t", "12", "21", "2"]):
    same("current_step", f"type_{name}", np.sum(spikes.t[spikes.i == k]/ms))
same("current_step", "spikes.cells", spikes.num_spikes)
same("current_step", "v_end", np.mean(cells.v/mV), "mean voltage at the end", 1e-8)
