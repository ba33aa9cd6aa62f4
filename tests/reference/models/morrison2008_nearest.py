"""Pair rules, all pairs and nearest spikes."""
from peer import *

trains = [np.arange(5, 1000, 20 + k) for k in range(20)]
for name, x, y in ("all_pairs", "x += 1", "y += 1"), ("nearest", "x = 1", "y = 1"):
    pre = SpikeGeneratorGroup(
        20, np.concatenate([np.full(len(train), k) for k, train in enumerate(trains)]), np.concatenate(trains)*ms)
    post = SpikeGeneratorGroup(
        20, np.repeat(np.arange(20), 40), np.tile(12 + 25*np.arange(40), 20)*ms)
    rule = Synapses(pre, post, """
    w : 1
    dx/dt = -x/(20*ms) : 1 (event-driven)
    dy/dt = -y/(20*ms) : 1 (event-driven)""", on_pre=f"{x}; w -= 0.0105*y", on_post=f"{y}; w += 0.01*x")
    rule.connect(j="i")
    rule.w = 1
    Network(pre, post, rule).run(1*second)
    same("second", name, np.mean(rule.w), "mean weight at the end", 1e-9)
    same("second", f"{name}_largest", np.max(rule.w), "largest weight at the end", 1e-9)
