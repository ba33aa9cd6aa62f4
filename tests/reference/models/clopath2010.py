"""Brian2's example Clopath_et_al_2010_no_homeostasis at four rates side by side, spikes made by jumps of 25 mV."""
from peer import *

trains = [np.arange(first, 500, period) for first in (1, 11) for period in (100, 50, 33.3, 20)]
source = SpikeGeneratorGroup(
    8, np.concatenate([np.full(len(train), k) for k, train in enumerate(trains)]), np.concatenate(trains)*ms)
cells = NeuronGroup(8, """
dv/dt = (30*nS*(-70*mV - v) + g*(0*mV - v))/(300*pF) : volt
dlow1/dt = (v - low1)/(40*ms) : volt
dlow2/dt = (v - low2)/(30*ms) : volt
dg/dt = -g/(2*ms) : siemens
dx/dt = -x/(15*ms) : 1""", threshold="v > -50*mV", reset="v = -70*mV; x += 1/15", method="euler")
cells.v = cells.low1 = cells.low2 = -70*mV
kicks = Synapses(source, cells, on_pre="v += 25*mV")
kicks.connect(j="i")
rule = Synapses(
    cells, cells, "w : 1",
    on_pre="g_post += 0.5*nS*w; w = clip(w - 1.5e-4*clip(low1_post/mV + 70, 0, inf), 0, 1)",
    on_post="""
low1_post += 10*mV
low2_post += 10*mV
w = clip(w + 1.5e-2*x_pre*clip(low2_post/mV + 70, 0, inf), 0, 1)""")
rule.connect(i=np.arange(8), j=(np.arange(8) + 4) % 8)
rule.w = 0.5
run(0.5*second)
same("frequencies", "there", np.mean(rule.w[:4]), "mean weight at the end", 1e-9)
same("frequencies", "there_largest", np.max(rule.w[:4]), "largest weight at the end", 1e-9)
same("frequencies", "back", np.mean(rule.w[4:]), "mean weight at the end", 1e-9)
same("frequencies", "back_largest", np.max(rule.w[4:]), "largest weight at the end", 1e-9)
same("frequencies", "back_least", np.min(rule.w[4:]), "least weight at the end", 1e-9)
