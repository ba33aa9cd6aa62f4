"""Brian2's example Rossant_et_al_2011bis with 20 neurons of each kind; the voltage rests while a neuron is refractory."""
from peer import *

we = 0.5*mV/(5/3)**-2.5
wi = -1.2*we
found = []
for k in range(3):
    seed(k)
    start_scope()
    cells = NeuronGroup(40, """
    dv/dt = (ge + gi - (v + 65*mV))/(5*ms) : volt (unless refractory)
    dge/dt = -ge/(3*ms) : volt
    dgi/dt = -gi/(10*ms) : volt""", threshold="v > -55*mV", reset="v = -65*mV", refractory=5*ms, method="exact")
    cells.v = -65*mV
    inputs = [
        PoissonInput(cells[:20], "ge", N=4000, rate=1*Hz, weight=we),
        PoissonInput(cells[20:], "ge", N=4000, rate=0.85*Hz, weight=we),
        PoissonInput(cells[20:], "ge", N=1, rate=40*Hz, weight=15*we),
        PoissonInput(cells, "gi", N=1000, rate=1*Hz, weight=wi)]
    spikes = SpikeMonitor(cells)
    Network(cells, inputs, spikes).run(0.5*second)
    found.append([np.sum(spikes.i < 20)/10, np.sum(spikes.i >= 20)/10])
for metric, values in zip(["rate_hz.alone", "rate_hz.together"], np.transpose(found)):
    spread("half_a_second", metric, values, metric, 1)
