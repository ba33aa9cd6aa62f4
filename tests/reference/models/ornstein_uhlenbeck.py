"""Brian2's examples Ornstein_Uhlenbeck and stochastic_odes: 2000 processes each; Ito's noise is written out."""
from peer import *

defaultclock.dt = 1*ms
found = []
for k in range(8):
    seed(k)
    start_scope()
    a = NeuronGroup(2000, "dy/dt = -y/(100*ms) + 0.31622*sqrt(2/(100*ms))*xi : 1", method="euler")
    a.y = 1
    # xi is multiplied by x as it is at the start of the step.
    b = NeuronGroup(2000, "x : 1")
    b.x = 1
    b.run_regularly("x = x*(1 + 0.5*dt/second + 0.4*sqrt(dt/second)*randn())")
    run(0.5*second)
    found.append([np.mean(a.y), np.std(a.y), np.mean(b.x), np.std(b.x)])
for name, values in zip(["additive", "additive_sd", "multiplied", "multiplied_sd"], np.transpose(found)):
    spread("half_a_second", name, values, name)
