"""Five synapses: currents solved exactly; the membrane under a conductance by exponential Euler, the conductance exactly."""
from peer import *

source = SpikeGeneratorGroup(1, [0], [1]*ms)
leak = "dv/dt = (-70*mV - v + I*100*Mohm)/(10*ms) : volt\n"
currents = [
    ("exponential", "dI/dt = -I/(5*ms) : amp", "I += 50*pA"),
    ("alpha", "dI/dt = (x - I)/(2*ms) : amp\ndx/dt = -x/(2*ms) : amp", "x += 50*pA*exp(1)"),
    ("double", "I = a - b : amp\nda/dt = -a/(5*ms) : amp\ndb/dt = -b/(1*ms) : amp", "a += 50*pA; b += 50*pA")]
cells, joined = [], []
for name, eqs, jump in currents:
    cells.append(NeuronGroup(1, leak + eqs, method="exact"))
    joined.append(Synapses(source, cells[-1], on_pre=jump, delay=1.5*ms))
# A conductance is a group of its own, which moves after the membrane: Brian2 takes groups by their names.
conductances = [
    ("exponential_g", "dg/dt = -g/(5*ms) : siemens", "g += nS"),
    ("alpha_g", "dg/dt = (x - g)/(2*ms) : siemens\ndx/dt = -x/(2*ms) : siemens", "x += nS*exp(1)")]
receptors = []
for k, (name, eqs, jump) in enumerate(conductances):
    receptors.append(NeuronGroup(1, eqs, method="exact", name=f"receptor{k}"))
    joined.append(Synapses(source, receptors[-1], on_pre=jump, delay=1.5*ms))
    cells.append(NeuronGroup(
        1, leak + "I = g*(0*mV - v) : amp\ng : siemens (linked)", method="exponential_euler", name=f"membrane{k}"))
    cells[-1].g = linked_var(receptors[-1], "g")
for cell in cells:
    cell.v = -70*mV
for one in joined:
    one.connect()
network = Network(source, cells, joined, receptors)
for experiment, length in ("early", 7.5), ("late", 15):
    network.run(length*ms)
    for (name, *_), cell in zip(currents + conductances, cells):
        same(experiment, name, cell.v[0]/mV, "voltage")
