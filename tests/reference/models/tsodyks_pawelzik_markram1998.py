"""Brian2's example Tsodyks_Pawelzik_Markram_1998: trains that do not end, voltages after 160 ms and after 1.06 s."""
from peer import *

trains = SpikeGeneratorGroup(
    2, np.r_[np.zeros(40, int), np.ones(120, int)], np.r_[100 + 50*np.arange(40), 100 + 14.3*np.arange(120)]*ms)
cells = NeuronGroup(3, "dv/dt = (r*I - v)/tau : volt\nI = I1 + I2 : amp\nI1 : amp\nI2 : amp\nr : ohm\ntau : second", method="exact")
cells.tau = [40, 60, 60]*ms
cells.r = [100e6, 1e9, 1e9]*ohm
depressing = Synapses(trains, cells, """
dx/dt = (1 - x - y)/(800*ms) : 1 (clock-driven)
dy/dt = -y/(3*ms) : 1 (clock-driven)
I1_post = 250*pA*y : amp (summed)""", on_pre="y += 0.6*x; x -= 0.6*x", method="exact")
facilitating = Synapses(trains, cells, """
dx/dt = (1 - x - y)/(130*ms) : 1 (clock-driven)
dy/dt = -y/(1.5*ms) : 1 (clock-driven)
du/dt = -u/(530*ms) : 1 (clock-driven)
I2_post = 1540*pA*y : amp (summed)""", on_pre="u += 0.03*(1 - u); y += u*x; x -= u*x", method="exact")
depressing.connect(i=0, j=0)
facilitating.connect(i=[0, 1], j=[1, 2])
depressing.x = facilitating.x = 1
for name, length in ("early", 160), ("late", 900):
    run(length*ms)
    for k, metric in enumerate(["depressed", "facilitated_20", "facilitated_70"]):
        same(name, metric, cells.v[k]/mV, "voltage")
