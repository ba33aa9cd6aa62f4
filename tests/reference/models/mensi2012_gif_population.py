"""NEST's example gif_population."""
from nest_peer import *

CELL = dict(
    C_m=83.1, g_L=3.7, E_L=-67.0, Delta_V=1.4, V_T_star=-39.6, t_ref=4.0, V_reset=-36.7, lambda_0=1.0, q_stc=[56.7, -6.9],
    tau_stc=[57.8, 218.2], q_sfa=[11.7, 1.8], tau_sfa=[53.8, 640.0], tau_syn_ex=10.0)
rates, irregular, variances = [], [], []
for seed in range(1, 9):
    fresh(seed=seed)
    cells, outside = nest.Create("gif_psc_exp", 100, params=CELL), nest.Create("poisson_generator", 50, params=dict(rate=10.0))
    spikes = nest.Create("spike_recorder")
    nest.Connect(cells, cells, dict(rule="pairwise_bernoulli", p=0.3), dict(weight=30.0))
    nest.Connect(outside, cells, "all_to_all", dict(weight=20.0))
    nest.Connect(cells, spikes)
    nest.Simulate(4000.0)
    counts, _ = np.histogram(spikes.events["times"], np.arange(200.05, 4000.1, 5))
    rates.append(spikes.n_events / 100 / 4)
    irregular.append(irregularity(spikes, cells, 200))
    variances.append(np.var(counts) / np.mean(counts))
spread("spontaneous", "rate_hz.cells", rates, "rate")
spread("spontaneous", "irregularity", irregular, "coefficient of variation")
spread("spontaneous", "variance_over_mean", variances, "variance over mean of spikes in 5 ms")
