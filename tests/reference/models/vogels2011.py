"""Brian2's example Vogels_et_al_2011 with 1000 neurons, each reached by as many, for 1.5 s."""
from peer import *

early, late, inhibitory = [], [], []
for k in range(3):
    seed(k)
    start_scope()
    cells = NeuronGroup(1000, """
    dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v) + 200*pA)/(200*pF) : volt (unless refractory)
    dge/dt = -ge/(5*ms) : siemens
    dgi/dt = -gi/(10*ms) : siemens""", threshold="v > -50*mV", reset="v = -60*mV", refractory=5*ms, method="euler")
    cells.v = -60*mV
    exc, inh = cells[:800], cells[800:]
    excite = Synapses(exc, cells, on_pre="ge += 0.3*nS")
    excite.connect(p=0.2)
    inhibit = Synapses(inh, inh, on_pre="gi += 3*nS")
    inhibit.connect(p=0.2)
    balance = Synapses(inh, exc, """
    w : 1
    dx/dt = -x/(20*ms) : 1 (event-driven)
    dy/dt = -y/(20*ms) : 1 (event-driven)""",
        on_pre="gi_post += w*nS; x += 1; w = clip(w + (y - 0.12)*eta, 0, 100)",
        on_post="y += 1; w = clip(w + x*eta, 0, 100)")
    balance.connect(p=0.2)
    balance.w = 1e-10
    spikes = SpikeMonitor(cells)
    eta = 0
    run(0.3*second)
    eta = 1e-2
    run(1.2*second)
    t, of = np.asarray(spikes.t/ms), np.asarray(spikes.i)
    early.append(np.sum((t > 100) & (t < 300) & (of < 800))/800/0.2)
    late.append(np.sum((t > 1200) & (of < 800))/800/0.3)
    inhibitory.append(np.sum(of >= 800)/200/1.5)
spread("learning", "early", early, "rate before", 2)
spread("learning", "late", late, "rate after", 1)
spread("learning", "rate_hz.inh", inhibitory, "rate of inhibitory neurons", 2)
