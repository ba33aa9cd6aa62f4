"""Brian2's example spike_based_homeostasis with regular inputs; what arrives at a refractory neuron is lost, too."""
from peer import *

steady = SpikeGeneratorGroup(1, [0]*199, 20*np.arange(1, 200)*ms)
changing = NeuronGroup(1, """
next : second
period = 40*ms*int(t < 0.99995*second) + 20*ms*int(t >= 0.99995*second)*int(t < 1.99995*second)
    + 3*second*int(t >= 1.99995*second)*int(t < 2.99995*second) + 28.5*ms*int(t >= 2.99995*second) : second""",
    threshold="t > next - 0.05*ms and not (t > 1.99005*second and t < 2.99995*second)", reset="next = t + period")
cells = NeuronGroup(
    2, "dv/dt = -v/(10*ms) : 1 (unless refractory)", threshold="v > 1", reset="v = -1", refractory=1*ms, method="euler")
fixed = Synapses(changing, cells, on_pre="v_post += 2*int(not_refractory_post)", delay=0.3*ms)
fixed.connect()
plastic = Synapses(
    steady, cells, "w : 1", on_pre="v_post += w*int(not_refractory_post); w = clip(w + 0.05, 0, 2)",
    on_post="w = clip(w - 0.05, 0, 2)")
plastic.connect(i=0, j=0)
spikes = SpikeMonitor(cells)
weight = StateMonitor(plastic, "w", record=True)
run(4*second)
last = np.max(spikes.t[spikes.i == 0])
same("four_seconds", "with", np.sum(spikes.t[spikes.i == 0]/ms))
same("four_seconds", "without", np.sum(spikes.t[spikes.i == 1]/ms))
same("four_seconds", "weight_end", weight.w[0][int(round(last/defaultclock.dt)) + 1], "weight after the last spike")
