"""Brian2's example homeostatic_stdp_at_inhibitory_synapes with regular populations."""
from peer import *

ends = [(k, first + period*n) for k, period in enumerate((400, 200, 100))
        for first in 1 + period/20*np.arange(20) for n in range(int(2100/period) + 1)]
index = np.array([k for k, _ in ends])
instant = np.array([at for _, at in ends])
source = SpikeGeneratorGroup(len(ends), np.arange(len(ends)), instant*ms)
pre = SpikeGeneratorGroup(1, [0]*4, [500, 1000, 1500, 2000]*ms)
post = NeuronGroup(
    3, "dh/dt = -h/(100*ms) : Hz\nnext : second", threshold="t > next", reset="next += 500*ms", method="exact")
post.next = 500.95*ms
count = Synapses(source, post, on_pre="h_post += 1/(100*ms*20)", delay=2*ms)
count.connect(i=np.arange(len(ends)), j=index)
rule = Synapses(pre, post, """
w : 1
dz/dt = -z/(20*ms) : 1 (event-driven)
dy/dt = -y/(20*ms) : 1 (event-driven)""",
    on_pre="z += 1; w += (h_post - 5*Hz)*second*(y + 1)", on_post="y += 1; w += (h_post - 5*Hz)*second*z")
rule.connect()
run(2.1*second)
for k, name in enumerate(["below", "target", "above"]):
    same("two_seconds", name, rule.w[k], "weight in nS", 1e-9)
