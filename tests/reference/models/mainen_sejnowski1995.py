"""Brian2's examples reliability and non_reliability, four times 1.5 s of each; the voltage rests while a neuron is refractory."""
from peer import *


def trial(k, level, common):
    """Rate and synchrony of 25 neurons."""
    seed(k)
    start_scope()
    source = NeuronGroup(1, "dx/dt = -x/(5*ms) + (2/(5*ms))**0.5*xi : 1", method="euler")
    cells = NeuronGroup(25, f"""
    dx/dt = ({level} + {common}*0.5*I - x)/(10*ms) + 0.015*(2/(10*ms))**0.5*xi : 1 (unless refractory)
    I : 1 (linked)""", threshold="x > 1", reset="x = 0", refractory=5*ms, method="euler")
    cells.x = "rand()"
    cells.I = linked_var(source, "x")
    spikes = SpikeMonitor(cells)
    run(1.5*second)
    counts = np.bincount(np.round(spikes.t/defaultclock.dt).astype(int), minlength=15000)/25
    rate, seen = 0, []
    for count in counts:
        seen.append(rate)
        rate = rate*0.95 + count
    seen = np.array(seen[5001:])
    return spikes.num_spikes/25/1.5, np.mean(seen**2)/np.mean(seen)**2 - 1


for name, level, common in ("fluctuating", 0.9, 1), ("constant", 1.1, 0):
    found = np.array([trial(k, level, common) for k in range(4)])
    for metric, column in ("rate_hz.cells", 0), ("synchrony", 1):
        spread(name, metric, found[:, column], metric, 0.1*np.mean(found[:, column]), 4)
