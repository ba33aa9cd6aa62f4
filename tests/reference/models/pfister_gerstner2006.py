"""The triplet rule on pairs of spikes 10 ms apart."""
from peer import *


def clocks(first):
    """Five trains of spikes to 1.2 s."""
    trains = [np.arange(first, 1200, period) for period in (100, 50, 33.3, 25, 20)]
    index = np.concatenate([np.full(len(train), k) for k, train in enumerate(trains)])
    return SpikeGeneratorGroup(5, index, np.concatenate(trains)*ms)


for name, extreme, first in ("before_after", ("largest", np.max), 35), ("after_before", ("least", np.min), 15):
    pre, post = clocks(25), clocks(first)
    rule = Synapses(pre, post, """
    w : 1
    dx/dt = -x/(16.8*ms) : 1 (event-driven)
    dy/dt = -y/(33.7*ms) : 1 (event-driven)
    dslow/dt = -slow/(114*ms) : 1 (event-driven)""",
        on_pre="x += 1; w -= 7.1e-3*y", on_post="y += 1; w += 6.5e-3*x*slow; slow += 1")
    rule.connect(j="i")
    rule.w = 1
    Network(pre, post, rule).run(1.2*second)
    same("frequencies", name, np.mean(rule.w), "mean weight at the end", 1e-9)
    same("frequencies", f"{name}_{extreme[0]}", extreme[1](rule.w), "a weight at the end", 1e-9)
