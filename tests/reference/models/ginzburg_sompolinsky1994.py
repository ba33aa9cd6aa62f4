"""A balanced network of binary neurons."""
from peer import *

found = []
for k in range(3):
    seed(k)
    start_scope()
    cells = NeuronGroup(120, """
    on : 1
    share : 1
    h = 0.5*int(i < 80) + 0.4*int(i >= 80) + s : 1
    s : 1""", threshold="rand() < 0.01", reset="on = int(rand() < 0.5*(1 + tanh(2*h)))")
    cells.on = "int(rand() < 0.3)"
    cells.run_regularly("share += int(t >= 100*ms)*on*dt/(0.4*second)")
    joined = Synapses(cells, cells, "w : 1\ns_post = w*on_pre : 1 (summed)")
    joined.connect()
    joined.w = "int(i < 80)/40 - int(i >= 80)*2.5/20"
    run(0.5*second)
    found.append([np.mean(cells.share[:80]), np.mean(cells.share[80:])])
for metric, values in zip(["exc", "inh"], np.transpose(found)):
    spread("half_a_second", metric, values, "mean share that is on", 0.01)
