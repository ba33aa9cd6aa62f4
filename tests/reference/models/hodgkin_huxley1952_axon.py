"""Brian2's example compartmental/hodgkin_huxley_1952 with 100 compartments, joined by synapses as nmc joins them, and as a SpatialNeuron;
and the whole cable by Crank-Nicolson in numpy, gates half a step off (steps of 1 us give the same to 0.0002 ms)."""
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


def crank_nicolson(step, size=100):
    """Time in ms from the 10th to the 40th compartment."""
    area, across = np.pi*476e-6*1e-3, np.pi*476e-6**2/4/(0.354*1e-3)
    capacity, sodium = area*1e-2, np.where(np.arange(size) < size//2, 1200.0, 0.0)
    near = np.diag(np.ones(size - 1), 1) + np.diag(np.ones(size - 1), -1)
    cable = across*(near - np.diag(near.sum(1)))
    v, m, n, h, passed = np.zeros(size), np.zeros(size), np.full(size, 0.5), np.ones(size), {}
    rate = lambda x: 1/np.where(x == 0, 1, np.expm1(x)/np.where(x == 0, 1, x))
    moved = lambda gate, a, b: a/(a + b) + (gate - a/(a + b))*np.exp(-(a + b)*step*1e3)
    for at in range(round(36e-3/step)):
        u = v*1e3
        m = moved(m, rate((25 - u)/10), 4*np.exp(-u/18))
        n = moved(n, 0.1*rate((10 - u)/10), 0.125*np.exp(-u/80))
        h = moved(h, 0.07*np.exp(-u/20), 1/(np.exp((30 - u)/10) + 1))
        leak, fast, slow = 3.0, sodium*m**3*h, 360*n**4
        current = area*(leak*10.613e-3 + fast*0.115 - slow*0.012)
        current[0] += 1e-6*(30e-3 - step/2 < at*step < 33e-3 - step/2)
        half = (cable - np.diag(area*(leak + fast + slow)))/2
        after = np.linalg.solve(np.eye(size)*capacity/step - half, v*capacity/step + half @ v + current)
        for one in (10, 40):
            if v[one] <= 0.05 < after[one] and at*step > 20e-3:
                passed[one] = (at + 1 - (after[one] - 0.05)/(after[one] - v[one]))*step*1e3
        v = after
    return passed[40] - passed[10]


print(f'{PROGRAM},finer,passage,{crank_nicolson(5e-6):.6g},0.0485,"numpy: Crank-Nicolson, time in ms from the 10th to the 40th compartment"')
