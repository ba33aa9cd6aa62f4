"""Brian2's example Izhikevich_2003."""
from peer import *

defaultclock.dt = 1*ms
excitatory, inhibitory = [], []
for k in range(8):
    seed(k)
    np.random.seed(k)
    start_scope()
    cells = NeuronGroup(1000, """
    dv/dt = (0.04*v**2 + 5*v + 140 - u + I + noise)/ms : 1
    du/dt = a*(b*v - u)/ms : 1
    I : 1
    noise : 1
    size : 1
    a : 1
    b : 1
    c : 1
    d : 1""", threshold="v >= 30", reset="v = c; u += d", method="euler")
    re, ri = np.random.rand(800), np.random.rand(200)
    cells.a = np.r_[np.full(800, 0.02), 0.02 + 0.08*ri]
    cells.b = np.r_[np.full(800, 0.2), 0.25 - 0.05*ri]
    cells.c = np.r_[-65 + 15*re**2, np.full(200, -65)]
    cells.d = np.r_[8 - 6*re**2, np.full(200, 2)]
    cells.size = np.r_[np.full(800, 5), np.full(200, 2)]
    cells.v = -65
    cells.u = "b*v"
    cells.run_regularly("noise = size*randn()")
    joined = Synapses(cells, cells, "w : 1", on_pre={"up": "I += w", "down": "I -= w"}, delay={"up": 0*ms, "down": 1*ms})
    joined.connect()
    joined.w = np.concatenate([0.5*np.random.rand(800*1000), -np.random.rand(200*1000)])
    spikes = SpikeMonitor(cells)
    run(1*second)
    excitatory.append(np.sum(spikes.i < 800)/800)
    inhibitory.append(np.sum(spikes.i >= 800)/200)
spread("second", "rate_hz.exc", excitatory, "rate", 0.5)
spread("second", "rate_hz.inh", inhibitory, "rate", 0.5)
