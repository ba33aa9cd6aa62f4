"""Makes nir_*.nir, graphs of the package nir 1.0.8, and nir_*.npz: random inputs and what they give by NIR's equations.

The equations are solved here step by step, apart from nmc: inputs and spikes (1 in the step after they are fired) are constant over a
step, so LIF, LI, IF, I and CubaLIF have exact solutions, with time constants that are one for all (nir_loop) or differ (nir_cuba).
"""
import numpy as np, nir

rng = np.random.default_rng(11)
DT = 1e-3
u = lambda a, b, *s: rng.uniform(a, b, s)
n = lambda *s: rng.normal(size=s)


def conv(x, w, b, stride, pad, dilation, groups):
    c, h, k = x.shape[0], x.shape[1], x.shape[2]
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    o, g, kh, kw = w.shape
    rows = (h + 2 * pad - dilation * (kh - 1) - 1) // stride + 1
    cols = (k + 2 * pad - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((o, rows, cols))
    for f in range(o):
        first = f // (o // groups) * g
        for r in range(rows):
            for q in range(cols):
                at = x[first:first + g, r * stride:r * stride + dilation * (kh - 1) + 1:dilation,
                       q * stride:q * stride + dilation * (kw - 1) + 1:dilation]
                y[f, r, q] = (at * w[f]).sum() + b[f]
    return y


def pool(x, k, stride, pad, mean):
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    rows, cols = [(len_ - k) // stride + 1 for len_ in x.shape[1:]]
    y = np.array([[[x[c, r * stride:r * stride + k, q * stride:q * stride + k].sum() for q in range(cols)]
                   for r in range(rows)] for c in range(x.shape[0])])
    return y / k ** 2 if mean else y


class LIF:
    def __init__(self, p):
        self.p, self.v = p, np.zeros(p.v_threshold.shape if hasattr(p, "v_threshold") else p.r.shape)
        self.i = np.zeros_like(self.v)

    def step(self, x):
        p, kind = self.p, type(self.p).__name__
        x = np.broadcast_to(x, self.v.shape).astype(float)
        if kind in ("LIF", "LI"):
            goal = p.v_leak + p.r * x
            self.v = goal + (self.v - goal) * np.exp(-DT / p.tau)
        elif kind in ("IF", "I"):
            self.v = self.v + DT * p.r * x
        else:
            a, m, goal = np.exp(-DT / p.tau_syn), np.exp(-DT / p.tau_mem), p.w_in * x
            # i(t) = goal + (i - goal) e^(-t / tau_syn); v follows it, solved in closed form.
            still = p.v_leak + p.r * goal
            beat = p.r * (self.i - goal) * p.tau_syn / (p.tau_syn - p.tau_mem)
            self.v = still + beat * a + (self.v - still - beat) * m
            self.i = goal + (self.i - goal) * a
        if kind in ("LI", "CubaLI", "I"):
            return self.v
        fires = self.v > p.v_threshold
        self.v = np.where(fires, p.v_reset, self.v)
        return fires.astype(float)


def save(name, graph, xs, step, values=()):
    """`step(x, spikes before)` gives all populations' spikes or values by name."""
    nir.write(f"nir_{name}.nir", graph)
    nir.read(f"nir_{name}.nir", type_check=False)
    kept = {}
    for sample, x in enumerate(xs):
        state = step(None, None)
        before = {}
        for tick, row in enumerate(x):
            before = step(row, before, state)
            for key, value in before.items():
                kept.setdefault(key, []).append((sample, tick, np.ravel(value)))
    out = {"x": xs.astype("f4")}
    for key, rows in kept.items():
        all_ = np.array([value for _, _, value in rows])
        if key in values:
            out[key] = all_.reshape(len(xs), -1, all_.shape[1])[:, -1]
        else:
            out[key] = all_.reshape(len(xs), -1, all_.shape[1]).astype("u1")
    print(name, {k: (v.shape, float(v.mean())) for k, v in out.items()})
    np.savez_compressed(f"nir_{name}.npz", **out)


I, O = lambda *s: nir.Input({"input": np.array(s)}), lambda *s: nir.Output({"output": np.array(s)})

# LIF with parameters that differ, resets and leaks that are not 0; a population with one tau behind it; LI as a second output.
a = nir.LIF(tau=u(.005, .02, 5), r=u(.8, 1.2, 5), v_leak=u(-.1, .2, 5), v_threshold=u(.5, 1, 5), v_reset=u(-.3, .1, 5))
b = nir.LIF(tau=np.full(4, .01), r=np.full(4, 2.0), v_leak=np.zeros(4), v_threshold=np.ones(4))
li = nir.LI(tau=np.full(3, .02), r=np.ones(3), v_leak=np.full(3, .25))
fc = nir.Affine(n(5, 3), u(0, .5, 5)); mid = nir.Linear(6 * n(4, 5)); out = nir.Affine(n(3, 4).astype("f4"), n(3).astype("f4"))
g = nir.NIRGraph(nodes={"input": I(3), "fc": fc, "a": a, "mid": mid, "gain": nir.Scale(np.full(4, 1.5)), "b": b, "out": out, "li": li, "spikes": O(4), "volts": O(3)},
                 edges=[("input", "fc"), ("fc", "a"), ("a", "mid"), ("mid", "gain"), ("gain", "b"), ("b", "spikes"), ("b", "out"), ("out", "li"), ("li", "volts")])


def lif(x, before, state=None):
    if x is None:
        return [LIF(a), LIF(b), LIF(li)]
    pa, pb, pl = state
    za, zb = before.get("a", np.zeros(5)), before.get("b", np.zeros(4))
    return {"a": pa.step(fc.weight @ x + fc.bias), "b": pb.step(1.5 * (mid.weight @ za)), "li": pl.step(out.weight @ zb + out.bias)}


save("lif", g, 2 * u(0, 1, 2, 200, 3).astype("f4"), lif, ("li",))

# A loop through CubaLIF of one kind (solved exactly), in a graph within a graph; w_in and v_reset as older files have them, absent.
c = nir.CubaLIF(tau_syn=np.full(6, .004), tau_mem=np.full(6, .009), r=np.full(6, 1.5), v_leak=np.zeros(6), v_threshold=np.full(6, .6), w_in=np.full(6, 2.0))
rec = nir.Affine(n(6, 6), .2 * n(6)); fin = nir.Affine(1.5 * n(6, 2), .1 * n(6))
inner = nir.NIRGraph(nodes={"input": I(6), "lif": c, "w_rec": rec, "output": O(6)},
                     edges=[("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")])
g = nir.NIRGraph(nodes={"input": I(2), "fc": fin, "core": inner, "output": O(6)},
                 edges=[("input", "fc"), ("fc", "core"), ("core", "output")])


def loop(x, before, state=None):
    if x is None:
        return LIF(c)
    return {"z": state.step(fin.weight @ x + fin.bias + rec.weight @ before.get("z", np.zeros(6)) + rec.bias)}


save("loop", g, (u(0, 1, 2, 150, 2) < .4).astype("f4"), loop)

# CubaLIF whose time constants differ.
d = nir.CubaLIF(tau_syn=u(.002, .01, 5), tau_mem=u(.005, .02, 5), r=u(1, 3, 5), v_leak=u(-.1, .1, 5), v_threshold=u(.3, .8, 5), v_reset=u(-.2, .1, 5), w_in=u(.5, 2, 5))
w = nir.Linear(.6 * n(5, 3)); lat = nir.Linear(n(5, 5))
g = nir.NIRGraph(nodes={"input": I(3), "w": w, "d": d, "lat": lat, "output": O(5)},
                 edges=[("input", "w"), ("w", "d"), ("d", "lat"), ("lat", "d"), ("d", "output")])


def cuba(x, before, state=None):
    if x is None:
        return LIF(d)
    return {"d": state.step(w.weight @ x + lat.weight @ before.get("d", np.zeros(5)))}


save("cuba", g, (u(0, 1, 2, 150, 3) < .3).astype("f4"), cuba)

# Convolutions of images, IF (its step is 1 s here), both pools, flatten, I; then a convolution of a line.
DT = 1.0
w1, b1 = n(4, 1, 3, 3).astype("f4"), .1 * n(4).astype("f4")
w2, b2 = n(4, 2, 3, 3).astype("f4"), .05 * n(4).astype("f4")
f1 = nir.IF(r=np.ones((4, 4, 4)), v_threshold=np.ones((4, 4, 4)))
f2 = nir.IF(r=np.full((4, 4, 4), .5), v_threshold=np.ones((4, 4, 4)), v_reset=np.full((4, 4, 4), .25))
w4 = nir.Linear(n(3, 36).astype("f4")); last = nir.I(r=np.full(3, .1))
g = nir.NIRGraph(nodes={
    "input": I(1, 8, 8), "c1": nir.Conv2d((8, 8), w1, 2, 1, 1, 1, b1), "if1": f1,
    "c2": nir.Conv2d((4, 4), w2, 1, 2, 2, 2, b2), "if2": f2, "sum": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
    "mean": nir.AvgPool2d(np.array([2, 2]), np.array([1, 1]), np.array([1, 1])), "flat": nir.Flatten({"input": np.array([4, 3, 3])}, 0, 2),
    "w4": w4, "last": last, "output": O(3)},
    edges=[("input", "c1"), ("c1", "if1"), ("if1", "c2"), ("c2", "if2"), ("if2", "sum"), ("sum", "mean"), ("mean", "flat"), ("flat", "w4"), ("w4", "last"),
           ("last", "output")], type_check=False)  # of groups its check expects the channels of one


def image(x, before, state=None):
    if x is None:
        return [LIF(f1), LIF(f2), LIF(last)]
    p1, p2, pl = state
    z1, z2 = (before.get(k, np.zeros((4, 4, 4))).reshape(4, 4, 4) for k in ("if1", "if2"))
    pooled = pool(pool(z2, 2, 2, 0, False), 2, 1, 1, True)
    return {"if1": p1.step(conv(x, w1, b1, 2, 1, 1, 1)), "if2": p2.step(conv(z1, w2, b2, 1, 2, 2, 2)), "last": pl.step(w4.weight @ pooled.ravel())}


save("image", g, (u(0, 1, 2, 40, 1, 8, 8) < .3).astype("f4"), image, ("last",))

w3 = n(2, 4, 2).astype("f4")
line = nir.IF(r=np.ones((2, 3)), v_threshold=np.full((2, 3), 2.0))
g = nir.NIRGraph(nodes={"input": I(4, 9), "c3": nir.Conv1d(9, w3, 3, 0, 2, 1, np.array([.1, -.1], "f4")), "if3": line,
                        "flat": nir.Flatten({"input": np.array([2, 3])}, 0, 1), "output": O(6)},
                 edges=[("input", "c3"), ("c3", "if3"), ("if3", "flat"), ("flat", "output")], type_check=False)


def line_conv(x, before, state=None):
    if x is None:
        return LIF(line)
    at = [x[:, 3 * q:3 * q + 3:2] for q in range(3)]
    return {"if3": state.step(np.array([[(a * w3[f]).sum() + (.1, -.1)[f] for a in at] for f in range(2)]))}


save("line", g, (u(0, 1, 2, 40, 4, 9) < .4).astype("f4"), line_conv)

# What cannot be had: each branch from the input, or from neurons, ends in something that nmc refuses.
ok = nir.LIF(tau=np.full(4, .01), r=np.ones(4), v_leak=np.zeros(4), v_threshold=np.ones(4))
slow = nir.LIF(tau=np.full(4, 0.0), r=np.ones(4), v_leak=np.zeros(4), v_threshold=np.ones(4))
g = nir.NIRGraph(nodes={"input": I(4), "ok": ok, "slow": slow, "later": nir.Delay(np.full(4, .001)), "gate": nir.Threshold(np.ones(4)), "uneven": nir.Scale(np.arange(3.0)),
                        "narrow": nir.Affine(n(2, 3), n(2)), "after": nir.Linear(n(2, 4)), "mix": nir.Linear(n(2, 4)), "sum": O(2), "output": O(2)},
                 edges=[("input", "ok"), ("input", "slow"), ("input", "later"), ("input", "gate"), ("input", "uneven"), ("input", "narrow"), ("later", "after"),
                        ("after", "output"), ("ok", "mix"), ("mix", "sum")], type_check=False)
nir.write("nir_refused.nir", g)

# Factors that differ, a threshold without memory, and its spikes three steps later, to a LIF; those of the LIF come back two steps later.
DT = 1e-3
gain, gate = nir.Scale(u(.5, 2, 4)), nir.Threshold(u(.3, .9, 4))
forth, back = nir.Delay(np.full(4, .003)), nir.Delay(np.full(3, .002))
into, again = nir.Linear(3 * n(3, 4)), nir.Linear(2 * n(3, 3))
e = nir.LIF(tau=np.full(3, .01), r=np.ones(3), v_leak=np.full(3, .1), v_threshold=np.full(3, .3))
g = nir.NIRGraph(nodes={"input": I(4), "gain": gain, "gate": gate, "forth": forth, "into": into, "e": e, "back": back, "again": again, "output": O(3)},
                 edges=[("input", "gain"), ("gain", "gate"), ("gate", "forth"), ("forth", "into"), ("into", "e"), ("e", "back"), ("back", "again"), ("again", "e"),
                        ("e", "output")])


def later(x, before, state=None):
    if x is None:
        return LIF(e), [], []
    neurons, gates, fired = state
    # A spike is 1 in the step after it, or so many steps later.
    z, y = (gates[-4] if len(gates) > 3 else np.zeros(4)), (fired[-3] if len(fired) > 2 else np.zeros(3))
    gates.append((gain.scale * x > gate.threshold).astype(float))
    fired.append(neurons.step(into.weight @ z + again.weight @ y))
    return {"gate": gates[-1], "e": fired[-1]}


save("later", g, u(0, 1, 2, 150, 4).astype("f4"), later)
