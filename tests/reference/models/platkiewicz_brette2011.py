"""Brian2's example Platkiewicz_Brette_2011; the voltage rests while a neuron is refractory."""
from peer import *

rates, thresholds = [], []
for k in range(3):
    seed(k)
    start_scope()
    cells = NeuronGroup(200, """
    dv/dt = (-70*mV - v + 15*mV + 6*mV*sqrt(2)*I)/(5*ms) : volt (unless refractory)
    dtheta/dt = (-55*mV + 5/6*clip(v + 63*mV, 0*mV, inf*mV) - theta)/(5*ms) : volt
    dI/dt = -I/(5*ms) + (2/(5*ms))**0.5*xi : 1
    total : volt
    n : 1""", threshold="v > theta", reset="v = -70*mV; total += theta; n += 1", refractory=5*ms, method="euler")
    cells.v, cells.theta, cells.n = -70*mV, -55*mV, 1e-9
    spikes = SpikeMonitor(cells)
    run(0.5*second)
    rates.append(spikes.num_spikes/100)
    thresholds.append(np.mean(cells.total/cells.n/mV))
spread("half_a_second", "rate_hz.cells", rates, "rate", 0.3)
spread("half_a_second", "threshold", thresholds, "mean threshold at spikes", 0.02)
