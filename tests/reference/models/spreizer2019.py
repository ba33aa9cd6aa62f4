"""Brian2's example Spreizer_et_al_2019 with 20 by 20 neurons, joined by a probability of distance and direction, for 1.5 s."""
from peer import *

DRAWN = {"same": "pi/6", "smooth": "pi*(1 + 0.5*sin(pi*i/10) + 0.5*cos(pi*y/10))"}
for name, drawn in DRAWN.items():
    rates, means, spreads = [], [], []
    for k in range(5):
        seed(k)
        start_scope()
        cell = NeuronGroup(400, """
        dv/dt = (-70*mV - v)/(10*ms) + (mu + g)/(250*pF) + sigma*sqrt(ms)/(250*pF)*xi : volt (unless refractory)
        dg/dt = (h - g)/(5*ms) : amp
        dh/dt = -h/(5*ms) : amp
        mu : amp (shared)
        sigma : amp (shared)
        x : 1
        y : 1
        angle : 1""", threshold="v > -55*mV", reset="v = -70*mV", refractory=5*ms, method="euler")
        cell.v, cell.x, cell.y = -70*mV, "i % 20", "i // 20"
        cell.angle = drawn
        inhibit = Synapses(cell, cell, """dx = x_post - x_pre - cos(angle_pre) : 1
        dy = y_post - y_pre - sin(angle_pre) : 1
        r = sqrt((dx - 20*floor(dx/20 + 0.5))**2 + (dy - 20*floor(dy/20 + 0.5))**2) : 1""", on_pre="h_post -= 50*pA*exp(1)")
        inhibit.connect(p="40/(2*pi*5.4*1.2*sqrt(2*pi))*exp(-0.5*((r - 5.4)/1.2)**2)")
        spikes = SpikeMonitor(cell)
        cell.mu, cell.sigma = 0*pA, 500*pA
        run(250*ms)
        cell.mu, cell.sigma = 700*pA, 100*pA
        run(1250*ms)
        late = np.bincount(spikes.i[spikes.t > 500*ms], minlength=400)
        rates.append(spikes.num_spikes/400/1.5)
        means.append(np.mean(late))
        spreads.append(np.std(late))
        print(name, k, rates[-1], means[-1], spreads[-1], len(inhibit), file=sys.stderr)
    spread(name, "rate_hz.cell", rates, "rate")
    spread(name, "rate", means, "spikes of a neuron after 0.5 s")
    spread(name, "spread", spreads, "standard deviation of these over the neurons")
