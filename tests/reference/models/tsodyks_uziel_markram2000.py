"""Brian2's example Tsodyks_Uziel_Markram_2000 with equal synapses."""
from peer import *

defaultclock.dt = 1*ms
found = []
for k in range(5):
    seed(k)
    np.random.seed(k)
    start_scope()
    groups = []
    for n in 400, 100:
        groups.append(NeuronGroup(n, """
        dv/dt = (bias + from_exc + from_inh - v)/(30*ms) : volt (unless refractory)
        from_exc : volt
        from_inh : volt
        bias : volt""", threshold="v > 15*mV", reset="v = 13.5*mV", refractory=3*ms, method="exact"))
        groups[-1].v = 13.5*mV
        groups[-1].bias = np.random.uniform(14.5, 15.5, n)*mV
    exc, inh = groups
    joined = []
    for source, target, name, strength in (
            (exc, exc, "from_exc", 1.8), (exc, inh, "from_exc", 7.2), (inh, exc, "from_inh", -5.4), (inh, inh, "from_inh", -7.2)):
        recovery = 800 if target is exc else 100
        equations = f"""
        dx/dt = (1 - x - y)/({recovery}*ms) : 1 (clock-driven)
        dy/dt = -y/(3*ms) : 1 (clock-driven)
        {name}_post = {strength}*mV*y : volt (summed)"""
        if target is exc:
            action = "y += 0.5*x; x -= 0.5*x"
        else:
            equations += "\n        du/dt = -u/second : 1 (clock-driven)"
            action = "u += 0.04*(1 - u); y += u*x; x -= u*x"
        joined.append(Synapses(source, target, equations, on_pre=action, method="exact"))
        joined[-1].connect(p=0.1)
        joined[-1].x = 1
    one, other = SpikeMonitor(exc), SpikeMonitor(inh)
    Network(groups, joined, one, other).run(2.5*second)
    counts = np.bincount(np.round(one.t/ms).astype(int), minlength=2500)/400
    rate, seen = 0, []
    for count in counts:
        seen.append(rate)
        rate = rate*0.8 + count
    seen = np.array(seen[501:])
    found.append([one.num_spikes/400/2.5, other.num_spikes/100/2.5, np.mean(seen**2)/np.mean(seen)**2 - 1])
for metric, values in zip(["rate_hz.exc", "rate_hz.inh", "synchrony"], np.transpose(found)):
    spread("two_seconds", metric, values, metric, 0.1*np.mean(values))
