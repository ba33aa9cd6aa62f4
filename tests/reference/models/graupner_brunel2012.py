"""Brian2's example Graupner_Brunel_2012 without noise, a pair of spikes at each of its 41 distances."""
from peer import *

pre = SpikeGeneratorGroup(1, [0], [100.1]*ms)
post = SpikeGeneratorGroup(82, np.arange(82), np.tile(0.1 + 5*np.arange(41), 2)*ms)
rule = Synapses(pre, post, """
drho/dt = (-rho*(1 - rho)*(0.5 - rho) + 321.808*(1 - rho)*int(c > 1.3) - 200*rho*int(c > 1))/(150*second) : 1 (clock-driven)
dc/dt = -c/(20*ms) : 1 (clock-driven)""", on_pre="c += 1", on_post="c += 2", delay=13.7*ms, method="euler")
rule.connect()
rule.rho = "int(j >= 41)"
run(499.9*ms)
weak, strong = rule.rho[:41], rule.rho[41:]
same("half_a_second", "weak", np.mean(weak), "mean efficacy", 1e-9)
same("half_a_second", "weak_largest", np.max(weak), "largest efficacy", 1e-9)
same("half_a_second", "strong", np.mean(strong), "mean efficacy", 1e-9)
same("half_a_second", "strong_least", np.min(strong), "least efficacy", 1e-9)
