"""Brian2's example Tetzlaff_2015 in 20 s without noise, its connections by formulas; in 5 s as it is."""
from peer import *

defaultclock.dt = DT = 0.5*ms
W_MAX = np.sqrt(60*(100**2/99))
JOINED = "((j > 20 and i >= 80) or (j < 80 and i < 20) or (i > 20 and i < 80 and j > 20 and j < 80))"


def simulate(noise, excited, inhibited, parts):
    units = NeuronGroup(100, """
    F = 100/(1 + exp(0.03*(120 - u))) : 1
    du/dt = (-u + 0.012*(I_E - I_I + W_MAX*shown))/ms + noise*0.012*W_MAX*20*sqrt((DT/ms)/ms)*xi : 1
    shown = learning*(int(i < 20)*(1 - of_second) + int(i >= 80)*of_second)*100*(sin(0.1*(t/DT + 1)) + 1) : 1
    trial = floor((t + DT/2)/(2.5*second)) : 1
    learning = int(floor((t + DT/2)/(0.25*second)) % 10 > 3.5) : 1
    of_second = int(trial < 3.5)*int(trial % 2 == 1) + int(trial > 3.5)*int(trial % 4 == 3) : 1
    I_E : 1
    I_I : 1""", method="euler")
    excite = Synapses(units, units, """dw/dt = 1/(30*second)*F_pre*F_post + 1/(1800*second)*(1 - F_post)*w**2 : 1 (clock-driven)
    I_E_post = w*F_pre : 1 (summed)""", method="euler")
    inhibit = Synapses(units, units, "I_I_post = 0.3*W_MAX*F_pre : 1 (summed)")
    if excited:
        excite.connect(f"{JOINED} and {excited}")
        inhibit.connect(inhibited)
    else:
        excite.connect(JOINED, p=0.1)
        inhibit.connect(p=0.2)
    weights = 0
    for part in range(parts):
        run(5*second)
        weights += np.sum(excite.w)/100
    return np.mean(units.F), weights, parts*len(excite)/100


f, weights, synapses = simulate(0, "(13*i + 7*j + i*j) % 10 == 0", "(3*i + 7*j) % 5 == 0", 4)
# Brian2 moves synapses after neurons, by what these are at the end of the step; nmc by what they were at its start.
same("quiet", "f", f, "mean activity at the end, synapses half a millisecond later", -5e-4)
same("quiet", "weights", weights, "sums of weights, synapses half a millisecond later", -5e-4)
same("quiet", "synapses", synapses, "synapses")
found = []
for k in range(6):
    seed(k)
    start_scope()
    found.append(simulate(1, None, None, 1))
for name, values, what in zip(("f", "weights", "synapses"), zip(*found), ("mean activity at the end", "sum of weights", "synapses")):
    spread("noisy", name, values, what)
