"""Prey and predators, and five rates that inhibit each other, by Euler's method."""
from peer import *

defaultclock.dt = 1*ms
pair = NeuronGroup(1, "dx/dt = (1.1 - 0.4*y)*x/second : 1\ndy/dt = (0.1*x - 0.4)*y/second : 1", method="euler")
pair.x, pair.y = 10, 5
rivals = NeuronGroup(5, "dr/dt = (clip(1 + 0.02*i + s, 0, inf) - r)/(10*ms) : 1\ns : 1", method="euler")
inhibit = Synapses(rivals, rivals, "s_post = -1.5*r_pre : 1 (summed)")
inhibit.connect("i != j")
run(10*second)
same("ten_seconds", "prey", pair.x[0], "prey at the end", 1e-8)
same("ten_seconds", "predators", pair.y[0], "predators at the end", 1e-8)
same("ten_seconds", "winner", np.max(rivals.r), "largest rate at the end", 1e-9)
same("ten_seconds", "rates", np.mean(rivals.r), "mean rate at the end", 1e-9)
