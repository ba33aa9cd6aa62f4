"""Brian2's example Izhikevich_2007, its pairs five times as fast."""
from peer import *

first = [100, 300, 510, 700, 900, 1110, 1300, 1390]
second_ = [150, 310, 500, 750, 910, 1100, 1310, 1400]
source = SpikeGeneratorGroup(2, [0]*8 + [1]*8, (first + second_)*ms)
cells = NeuronGroup(2, """
dv/dt = (g*(0*mV - v) - 74*mV - v)/(10*ms) : volt
dg/dt = -g/(5*ms) : 1
weight : 1""", threshold="v > -54*mV", reset="v = -60*mV", method="euler")
cells.v = -60*mV
kicks = Synapses(source, cells, on_pre="v += 100*mV")
kicks.connect(j="i")
rule = Synapses(cells, cells, """
mode : 1
dc/dt = -c/second : 1 (clock-driven)
dd/dt = -d/(200*ms) : 1 (clock-driven)
ds/dt = mode*c*d/ms : 1 (clock-driven)
dx/dt = -x/(20*ms) : 1 (clock-driven)
dy/dt = -y/(20*ms) : 1 (clock-driven)""", on_pre="""
g_post += s
x += 1e-4
c = clip(c + mode*y, -0.01, 0.01)
s = clip(s + (1 - mode)*y, -0.01, 0.01)
weight_post = s""", on_post="""
y -= 1.05e-4
c = clip(c + mode*x, -0.01, 0.01)
s = clip(s + (1 - mode)*x, -0.01, 0.01)
weight_post = s""", method="euler")
rule.connect(i=0, j=1)
rule.s = rule.c = 1e-10
rewards = SpikeGeneratorGroup(1, [0]*3, [770, 930, 1130]*ms)
give = Synapses(rewards, rule, on_pre="d_post += 5e-3")
give.connect()
run(600*ms)
same("classical", "weight", cells.weight[1], "weight", 1e-12)
rule.mode = 1
run(820*ms)
same("both", "weight", cells.weight[1], "weight", 1e-12)
