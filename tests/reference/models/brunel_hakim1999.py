"""Brian2's example Brunel_Hakim_1999 with 2000 neurons; what arrives at a refractory neuron is lost, as in nmc."""
from peer import *

rates, synchronies = [], []
for k in range(6):
    seed(k)
    start_scope()
    cells = NeuronGroup(
        2000, "dv/dt = (25*mV - v + 1*mV*sqrt(20*ms)*xi)/(20*ms) : volt (unless refractory)",
        threshold="v > 20*mV", reset="v = 10*mV", refractory=2*ms, method="euler")
    cells.v = 10*mV
    inhibit = Synapses(cells, cells, on_pre="v_post -= 0.25*mV*int(not_refractory_post)", delay=2*ms)
    inhibit.connect(p=0.2)
    spikes = SpikeMonitor(cells)
    run(0.25*second)
    rates.append(spikes.num_spikes/2000/0.25)
    counts = np.bincount(np.round(spikes.t/defaultclock.dt).astype(int), minlength=2500)/2000
    rate, seen = 0, []
    for count in counts:
        seen.append(rate)
        rate = rate*0.8 + count
    seen = np.array(seen[501:])
    synchronies.append(np.mean(seen**2)/np.mean(seen)**2 - 1)
spread("fast", "rate_hz.cells", rates, "rate", 0.2)
spread("fast", "synchrony", synchronies, "synchrony", 0.05)
