"""NEST's example brunel_alpha_nest with 2500 neurons, each source once."""
from nest_peer import *

INHIBITORY = 500
CELL = dict(C_m=250.0, tau_m=20.0, tau_syn_ex=0.5, tau_syn_in=0.5, t_ref=2.0, E_L=0.0, V_reset=0.0, V_m=0.0, V_th=20.0)
# The current in pA that moves the membrane by 0.1 mV at most.
times = np.linspace(0, 20, 200001)
fast = 1 / 0.5 - 1 / 20.0
moved = np.e / (0.5 * 250 * fast) * ((np.exp(-times / 20) - np.exp(-times / 0.5)) / fast - times * np.exp(-times / 0.5))
JUMP = 0.1 / np.max(moved)
RATE = 2 * 1000 * 20 * 250 / (JUMP * np.e * 20 * 0.5)
exc_rates, inh_rates, irregular = [], [], []
for seed in range(1, 7):
    fresh(seed=seed)
    exc, inh = nest.Create("iaf_psc_alpha", 4 * INHIBITORY, params=CELL), nest.Create("iaf_psc_alpha", INHIBITORY, params=CELL)
    outside = nest.Create("poisson_generator", params=dict(rate=RATE))
    seen = nest.Create("spike_recorder", 2)
    nest.Connect(outside, exc + inh, syn_spec=dict(weight=JUMP, delay=1.5))
    for sources, number, weight in (exc, 200, JUMP), (inh, 50, -5 * JUMP):
        rule = dict(rule="fixed_indegree", indegree=number, allow_multapses=False)
        nest.Connect(sources, exc + inh, rule, dict(weight=weight, delay=1.5))
    nest.Connect(exc, seen[0])
    nest.Connect(inh, seen[1])
    nest.Simulate(300.0)
    exc_rates.append(seen[0].n_events / 2000 / 0.3)
    inh_rates.append(seen[1].n_events / 500 / 0.3)
    irregular.append(irregularity(seen[0], exc, 100))
spread("driven", "rate_hz.exc", exc_rates, "rate")
spread("driven", "rate_hz.inh", inh_rates, "rate")
spread("driven", "irregularity", irregular, "coefficient of variation")
