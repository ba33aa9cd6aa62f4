"""Brian2's example compartmental/hodgkin_huxley_1952 with 100 compartments, joined by synapses as nmc joins them, and as a SpatialNeuron, whose 2.425 ms
scipy confirms: 2.4214 ms by Crank-Nicolson with steps of 1 us, and as much with steps of 5 us."""
from peer import *

defaultclock.dt = 0.005*ms
GATES = """
dm/dt = (1/exprel((25 - u)/10)*(1 - m) - 4*exp(-u/18)*m)/ms : 1
dn/dt = (0.1/exprel((10 - u)/10)*(1 - n) - 0.125*exp(-u/80)*n)/ms : 1
dh/dt = (0.07*exp(-u/20)*(1 - h) - h/(exp((30 - u)/10) + 1))/ms : 1
u = v/mV : 1
"""
CHANNELS = "(0.3*msiemens/cm**2*(10.613*mV - v) + gNa*m**3*h*(115*mV - v) + 36*msiemens/cm**2*n**4*(-12*mV - v))"
AREA = np.pi*0.476*mm*1*mm
ACROSS = np.pi*(0.476*mm)**2/4/(35.4*ohm*cm)/mm
SODIUM = 120*msiemens/cm**2


ring = NeuronGroup(100, f"""
dv/dt = (AREA*{CHANNELS} + near - joined*ACROSS*v + I)/(AREA*uF/cm**2) : volt
near : amp
joined : 1
I : amp
gNa : siemens/meter**2
{GATES}""", threshold="v > 50*mV", refractory="v > 50*mV", method="exponential_euler")
ring.n, ring.h, ring.gNa = 0.5, 1, "int(i < 50)*SODIUM"
ring.joined = "2 - int(i == 0) - int(i == 99)"
axoplasm = Synapses(ring, ring, "near_post = ACROSS*v_pre : amp (summed)")
axoplasm.connect("abs(i - j) == 1")
spikes = SpikeMonitor(ring)
run(30*ms)
ring.I[0] = 1*uA
run(3*ms)
ring.I[0] = 0*uA
run(12*ms)
same("one_spike", "times", times(spikes, 100), tolerance=-1e-7)
same("one_spike", "spikes.ring", spikes.num_spikes)
same("one_spike", "v_spread", np.std(ring.v/mV), "standard deviation of voltages at the end", -1e-6)
same("one_spike", "h_end", np.mean(ring.h), "mean gate at the end", -1e-7)

start_scope()
prefs.codegen.target = "cython"  # numpy would want scipy
whole = SpatialNeuron(Cylinder(length=10*cm, diameter=476*um, n=100), f"""
Im = {CHANNELS} : amp/meter**2
I : amp (point current)
gNa : siemens/meter**2
{GATES}""", Cm=1*uF/cm**2, Ri=35.4*ohm*cm, method="exponential_euler")
whole.v, whole.n, whole.h, whole.gNa = 0*mV, 0.5, 1, "int(i < 50)*SODIUM"
seen = StateMonitor(whole, "v", record=[10, 40])
run(30*ms)
whole.I[0] = 1*uA
run(3*ms)
whole.I[0] = 0*uA
run(12*ms)
late = seen.t > 20*ms
first, last = (np.sum(seen.t[1:][late[1:] & (v[1:] > 50*mV) & (v[:-1] <= 50*mV)]/ms) for v in seen.v)
tell("finer", "passage", last - first, -0.02, "SpatialNeuron, time in ms from the 10th to the 40th compartment")
