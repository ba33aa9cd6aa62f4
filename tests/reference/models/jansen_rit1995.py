"""Brian2's example Jansen_Rit_1995_single_column under constant input."""
from peer import *

columns = NeuronGroup(6, """
dy0/dt = y3/second : 1
dy3/dt = (3.25*Sp - 2*y3 - y0/0.01)/(10*ms) : 1
dy1/dt = y4/second : 1
dy4/dt = (3.25*(220 + 0.8*C*Se) - 2*y4 - y1/0.01)/(10*ms) : 1
dy2/dt = y5/second : 1
dy5/dt = (22*0.25*C*Si - 2*y5 - y2/0.02)/(20*ms) : 1
Sp = 5/(1 + exp(0.56*(6 - (y1 - y2)))) : 1
Se = 5/(1 + exp(0.56*(6 - C*y0))) : 1
Si = 5/(1 + exp(0.56*(6 - 0.25*C*y0))) : 1
C : 1""", method="euler")
columns.C = [68, 128, 135, 270, 675, 1350]
run(2*second)
for name, y in ("pyramidal", columns.y0), ("excitatory", columns.y1), ("inhibitory", columns.y2):
    same("two_seconds", name, np.mean(y), "mean potential at the end", 1e-6)
