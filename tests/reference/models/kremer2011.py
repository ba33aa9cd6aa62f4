"""Brian2's example Kremer_et_al_2011_barrel_cortex with 2 by 2 barrels for 1.2 s."""
from peer import *

EDGE, N4, N_EXC, N_INH = 2, 22**2, 25**2, 12**2
BARRELS = EDGE**2
EPSC = 1*mV*0.2**(10/-8)
IPSC = -1*mV*2.5**(10/15)
found = {name: [] for name in ("rate_hz.layer4", "rate_hz.exc", "rate_hz.inh", "synapses", "weight", "square")}
for k in range(8):
    seed(k)
    start_scope()
    layer4 = NeuronGroup(N4*BARRELS, """
    rate = int(is_active)*clip(cos(direction - selectivity), 0, inf)*100*Hz : Hz
    is_active = abs((barrel_x + 0.5 - bar_x)*cos(direction) + (barrel_y + 0.5 - bar_y)*sin(direction)) < 0.5 : boolean
    barrel_x : integer
    barrel_y : integer
    selectivity : 1
    bar_x = cos(direction)*(t - begun)/(5*ms) + start_x : 1 (shared)
    bar_y = sin(direction)*(t - begun)/(5*ms) + start_y : 1 (shared)
    direction : 1 (shared)
    begun : second (shared)
    start_x : 1 (shared)
    start_y : 1 (shared)""", threshold="rand() < rate*dt", method="euler")
    layer4.barrel_x = "(i // N4) % EDGE"
    layer4.barrel_y = "i // (EDGE*N4)"
    layer4.selectivity = "(i % N4)/(1.0*N4)*2*pi"
    layer4.run_regularly("""direction = rand()*2*pi
    start_x = EDGE/2.0 - cos(direction)*6
    start_y = EDGE/2.0 - sin(direction)*6
    begun = t""", dt=60*ms, when="start")
    layer23 = NeuronGroup(BARRELS*(N_EXC + N_INH), """
    dv/dt = (ge + gi - 70*mV - v)/(10*ms) : volt
    dge/dt = -ge/(2*ms) : volt
    dgi/dt = -gi/(25*ms) : volt
    dvt/dt = (-55*mV - vt)/(50*ms) : volt
    barrel : integer
    x : 1
    y : 1""", threshold="v > vt", reset="v = -70*mV; vt += 2*mV", refractory=2*ms, method="euler")
    layer23.v, layer23.vt = -70*mV, -55*mV
    exc, inh = layer23[:BARRELS*N_EXC], layer23[BARRELS*N_EXC:]
    exc.x, exc.y = "(i % (EDGE*25))*(1.0/25)", "(i // (EDGE*25))*(1.0/25)"
    exc.barrel = "floor(x) + floor(y)*EDGE"
    inh.x, inh.y = "i % (EDGE*12)*(1.0/12)", "(i // (EDGE*12))*(1.0/12)"
    plastic = Synapses(layer4, exc, """w : volt
    dsource/dt = -source/(5*ms) : volt (event-driven)
    dtarget/dt = -target/(25*ms) : volt (event-driven)""", on_pre="""ge += w
    source += 0.05*EPSC
    w = clip(w + target, 0*volt, EPSC)""", on_post="""target -= 0.04*EPSC
    w = clip(w + source, 0*volt, EPSC)""")
    plastic.connect("barrel_x_pre + EDGE*barrel_y_pre == barrel_post", p=0.5)
    plastic.w = 0.5*EPSC
    excite = Synapses(exc, layer23, "w : volt", on_pre="ge += w")
    excite.connect(p="0.15*exp(-0.5*(((x_pre - x_post)/0.4)**2 + ((y_pre - y_post)/0.4)**2))")
    excite.w["j < BARRELS*N_EXC"] = 0.3*EPSC
    excite.w["j >= BARRELS*N_EXC"] = EPSC
    inhibit = Synapses(inh, exc, on_pre="gi += IPSC")
    inhibit.connect(p="exp(-0.5*(((x_pre - x_post)/0.2)**2 + ((y_pre - y_post)/0.2)**2))")
    of_layer4, of_exc, of_inh = SpikeMonitor(layer4), SpikeMonitor(exc), SpikeMonitor(inh)
    run(1.2*second)
    for name, monitor, size in zip(("layer4", "exc", "inh"), (of_layer4, of_exc, of_inh), (N4, N_EXC, N_INH)):
        found[f"rate_hz.{name}"].append(monitor.num_spikes/size/BARRELS/1.2)
    count = np.bincount(plastic.j, minlength=BARRELS*N_EXC)
    share = plastic.w/EPSC
    found["synapses"].append(np.mean(count))
    found["weight"].append(np.mean(np.bincount(plastic.j, share)/count))
    found["square"].append(np.mean(np.bincount(plastic.j, share**2)/count))
    print(k, {name: float(values[-1]) for name, values in found.items()}, file=sys.stderr)
for name, what in (("rate_hz.layer4", "rate"), ("rate_hz.exc", "rate"), ("rate_hz.inh", "rate"), ("synapses", "synapses of a neuron"),
                   ("weight", "mean weight at the end"), ("square", "mean square of weights at the end")):
    spread("twenty_bars", name, found[name], what)
