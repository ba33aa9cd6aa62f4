"""Brian2's example Naud_et_al_2008_adex_firing_patterns, its eight neurons in one group."""
from peer import *

names = "tonic adapting initial_burst bursts accelerating delayed_bursts transient irregular".split()
cells = NeuronGroup(8, """
dv/dt = (gl*(el - v) + gl*2*mV*exp((v + 50*mV)/(2*mV)) + drive - w)/c : volt
dw/dt = (a*(v - el) - w)/tau : amp
c : farad
gl : siemens
el : volt
a : siemens
tau : second
b : amp
r : volt
drive : amp""", threshold="v > 0*mV", reset="v = r; w += b", method="euler")
cells.c = [200, 200, 130, 200, 200, 100, 100, 100]*pF
cells.gl = [10, 12, 18, 10, 12, 10, 10, 12]*nS
cells.el = [-70, -70, -58, -58, -70, -65, -65, -60]*mV
cells.a = [2, 2, 4, 2, -10, -10, 10, -11]*nS
cells.tau = [30, 300, 150, 120, 300, 90, 90, 130]*ms
cells.b = [0, 60, 120, 100, 0, 30, 100, 30]*pA
cells.r = [-58, -58, -50, -46, -58, -47, -47, -48]*mV
cells.drive = [500, 500, 400, 210, 300, 110, 180, 160]*pA
cells.v = "el"
spikes = SpikeMonitor(cells)
run(600*ms)
for k, name in enumerate(names):
    sum_ms = np.sum(spikes.t[spikes.i == k]/ms)
    if name == "irregular":
        # Chaotic: rounding alone moves late spikes.
        same("patterns_of_600_ms", name, sum_ms, "spike times, which rounding moves", 50)
    else:
        same("patterns_of_600_ms", name, sum_ms)
same("patterns_of_600_ms", "spikes.cells", spikes.num_spikes)
