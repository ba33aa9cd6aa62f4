"""Brian2's example Morris_Lecar_1981, by Runge-Kutta 4."""
from peer import *

defaultclock.dt = 0.01*ms
cells = NeuronGroup(17, """
dV/dt = (-2*mS*(V + 50*mV) - 4*mS*m_inf*(V - 100*mV) - 8*mS*n*(V + 70*mV) + I)/(20*uF) : volt
dn/dt = cosh((V + 1*mV)/(29*mV))/(15*ms)*(n_inf - n) : 1
m_inf = 0.5*(1 + tanh((V - 10*mV)/(15*mV))) : 1
n_inf = 0.5*(1 + tanh((V + 1*mV)/(14.5*mV))) : 1
I : amp""", threshold="V > 0*mV", refractory="V > 0*mV", method="rk4")
cells.I = "(100 + 25*i)*uA"
cells.V = -50*mV
cells.n = "n_inf"
spikes = SpikeMonitor(cells)
run(220*ms)
same("injected", "times", times(spikes, 17))
same("injected", "spikes.cells", spikes.num_spikes)
same("injected", "v_end", np.mean(cells.V/mV), "mean voltage at the end", 1e-8)
same("injected", "n_end", np.mean(cells.n), "mean of n at the end", 1e-10)
