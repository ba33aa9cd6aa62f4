"""NEST's example CampbellSiegert with 200 neurons, 2 s, and the theorem."""
from nest_peer import *

WEIGHT, RATE = 22.405803866190094, 10.0
CELL = dict(C_m=250.0, tau_m=10.0, E_L=-70.0, V_reset=-70.0, V_m=-70.0, t_ref=2.0, tau_syn_ex=0.5)
means, variances, rates = [], [], []
for seed in range(1, 9):
    fresh(seed=seed)
    firing = nest.Create("iaf_psc_alpha", 200, params={**CELL, "V_th": -55.0})
    free = nest.Create("iaf_psc_alpha", 200, params={**CELL, "V_th": 1e12})
    source, spikes = nest.Create("poisson_generator", params=dict(rate=1000 * RATE)), nest.Create("spike_recorder")
    seen = nest.Create("multimeter", params=dict(record_from=["V_m"], interval=1.0))
    nest.Connect(source, firing + free, syn_spec=dict(weight=WEIGHT, delay=0.1))
    nest.Connect(firing, spikes)
    nest.Connect(seen, free)
    nest.Simulate(2000.0)
    v = seen.events["V_m"][seen.events["times"] > 100]
    means.append(np.mean(v))
    variances.append(np.var(v))
    rates.append(spikes.n_events / 200 / 2)
spread("two_seconds", "mean", means, "mean")
spread("two_seconds", "variance", variances, "variance")
spread("two_seconds", "rate_hz.firing", rates, "rate")
# The response to one spike by small steps, whose integral and square tell mean and variance.
times = np.arange(0, 200, 1e-4)
fast = 1 / 0.5 - 1 / 10.0
response = WEIGHT * np.e / (0.5 * 250 * fast) * ((np.exp(-times / 10) - np.exp(-times / 0.5)) / fast - times * np.exp(-times / 0.5))
off = 4 * np.std(means, ddof=1), 4 * np.std(variances, ddof=1)
tell("two_seconds", "mean", -70 + RATE * np.sum(response) * 1e-4, off[0], "mean, four standard deviations of NEST's", "Campbell's theorem")
tell("two_seconds", "variance", RATE * np.sum(response**2) * 1e-4, off[1], "variance, four standard deviations of NEST's", "Campbell's theorem")
