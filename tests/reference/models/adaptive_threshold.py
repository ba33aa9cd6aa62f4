"""Brian2's example adaptive_threshold, under regular and under random input."""
from peer import *

eqs = "dv/dt = -v/(10*ms) : volt\ndvt/dt = (10*mV - vt)/(15*ms) : volt"
rates = []
for k in range(10):
    seed(k)
    start_scope()
    cells, others = [NeuronGroup(n, eqs, threshold="v > vt", reset="v = 0*mV; vt += 3*mV", method="exact") for n in (1, 20)]
    cells.vt = others.vt = 10*mV
    regular = SpikeGeneratorGroup(1, np.zeros(999, int), 2*np.arange(1, 1000)*ms)
    source = PoissonGroup(20, 500*Hz)
    one = Synapses(regular, cells, on_pre="v += 3*mV")
    one.connect()
    two = Synapses(source, others, on_pre="v += 3*mV")
    two.connect(j="i")
    spikes, random = SpikeMonitor(cells), SpikeMonitor(others)
    run(2*second)
    rates.append(random.num_spikes / 40)
same("two_seconds", "times", times(spikes, 1))
same("two_seconds", "threshold_end", cells.vt[0]/mV, "threshold at the end")
spread("two_seconds", "rate_hz.others", rates, "rate under random input")
