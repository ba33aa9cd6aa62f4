"""Brian2's example Diesmann_et_al_1999; the voltage rests while a neuron is refractory."""
from peer import *

for name, volley in ("travels", 85), ("dies", 40):
    first, last = [], []
    for k in range(6):
        seed(k)
        np.random.seed(k)
        start_scope()
        cells = NeuronGroup(1000, """
        dv/dt = (x - (v + 70*mV))/(10*ms) : volt (unless refractory)
        dx/dt = (y - x)/(0.325*ms) : volt
        dy/dt = -y/(0.325*ms) + 25.27*mV/ms + 39.24*mV/ms**0.5*xi : volt""",
            threshold="v > -55*mV", reset="v = -70*mV", refractory=1*ms, method="euler")
        cells.v = "-70*mV + rand()*15*mV"
        source = SpikeGeneratorGroup(volley, np.arange(volley), (50 + np.random.randn(volley))*ms)
        chain = Synapses(cells, cells, on_pre="y += 4.86*mV")
        one = np.arange(100)
        for group in range(9):
            chain.connect(i=100*group + np.repeat(one, 100), j=100*(group + 1) + np.tile(one, 100))
        begin = Synapses(source, cells[:100], on_pre="y += 4.86*mV")
        begin.connect()
        spikes = SpikeMonitor(cells)
        run(100*ms)
        first.append(np.mean(spikes.count[:100]))
        last.append(np.mean(spikes.count[900:]))
    spread(name, "rate_hz.group[0]", 10*np.array(first), "rate of the first group", 0.5)
    spread(name, "last", last, "spikes of a neuron of the last group", 0.05)
