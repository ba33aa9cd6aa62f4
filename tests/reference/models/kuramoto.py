"""Brian2's example coupled_oscillators with phases and frequencies spread evenly."""
from peer import *

defaultclock.dt = 1*ms
for name, coupling in ("alone", 0), ("weak", 0.5), ("strong", 2):
    start_scope()
    cells = NeuronGroup(40, "dtheta/dt = (i/39 + coupling*pull/40)/second : 1\npull : 1", method="euler")
    cells.theta = "2*pi*(i*0.325 - floor(i*0.325 + 0.000001))"
    meters = NeuronGroup(2, "dx/dt = (s/40 - x)/(10*ms) : 1\ns : 1", method="euler")
    joined = Synapses(cells, cells, "pull_post = sin(theta_pre - theta_post) : 1 (summed)")
    joined.connect()
    seen = Synapses(cells, meters, "s_post = cos(theta_pre - j*pi/2) : 1 (summed)")
    seen.connect()
    run(10*second)
    same(name, "phase", np.mean(cells.theta), "mean phase at the end", 1e-9)
    same(name, "x", meters.x[0], "mean cosine", 1e-9)
    same(name, "y", meters.x[1], "mean sine", 1e-9)
