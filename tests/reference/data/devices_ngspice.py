"""Writes devices.npz: devices with states in circuits, by the transient of ngspice 39 (trapezoids, steps no longer than a 20,000th of the run).

A state is the voltage of 1 F that its rate charges. Drives are kept as what they are in the middle of each step of the runs that are compared.
"""
import subprocess, sys, time
import numpy as np


def transient(name, circuit, end, rows, outputs):
    """The outputs at `rows` times of equal distance, the last of them `end`: [rows, outputs]."""
    step, most = end / rows, end / 20_000
    lines = [name, *circuit, ".options reltol=1e-7 abstol=1e-15 vntol=1e-9 chgtol=1e-20 method=trap numdgt=15", ".options interp"]
    lines += [".control", "set numdgt=15", f"tran {step!r} {end!r} 0 {most!r} uic", "wrdata out.txt " + " ".join(outputs), ".endc", ".end"]
    open("circuit.cir", "w").write("\n".join(lines))
    started = time.time()
    # It ends with 1, as there is nothing to plot.
    subprocess.run(["ngspice", "-b", "circuit.cir"], stdout=subprocess.DEVNULL, check=False)
    print(name, f"{time.time() - started:.2f} s")
    table = np.loadtxt("out.txt")
    times = np.arange(1, rows + 1) * step
    return np.stack([np.interp(times, table[:, 0], table[:, column]) for column in range(1, table.shape[1], 2)], axis=1)


def middles(wave, end, steps):
    return wave((np.arange(steps) + 0.5) * end / steps)[:, None]


arrays = {}

# std.device.vteam by a sine that drives it against its bound at 0, where a steep window holds it.
END = 2e-6
off, on = "166.7e3*max(V(d)/0.02-1,0)", "3.333e9*max(V(d)/-0.2-1,0)**3*min(max(V(s),0)/1e-5,1)"
circuit = [
    "Vd d 0 SIN(0 0.3 1e6)",
    f"Bs 0 s I={off}-{on}",
    "Cs s 0 1 IC=0",
]
arrays["vteam_conductance"] = 1 / (50 + 950 * transient("vteam", circuit, END, 200, ["V(s)"]))
for steps in (2000, 1000):
    arrays[f"vteam_drive_{steps}"] = middles(lambda t: 0.3 * np.sin(2e6 * np.pi * t), END, steps)

# Three of std.device.diffusive_ag by four pulses of 1 ms, 1 ms apart, of 0.5 V; then at rest.
END, TAUS = 20e-3, (2e-3, 5e-3, 10e-3)
arrays["silver_taus"] = np.array(TAUS)
circuit = ["Vd d 0 PULSE(0 0.5 0 1n 1n 1m 2m 4)"]
for k, tau in enumerate(TAUS):
    circuit += [f"Bs{k} 0 s{k} I=(V(d)>0.1?1:0)*2e3*(V(d)/0.3)**3*(1-V(s{k}))-V(s{k})/{tau}", f"Cs{k} s{k} 0 1 IC=0"]
states = transient("silver", circuit, END, 200, [f"V(s{k})" for k in range(len(TAUS))])
arrays["silver_conductance"] = 1e-9 + (100e-6 - 1e-9) * states
arrays["silver_drive"] = np.where((np.arange(20) < 8) & (np.arange(20) % 2 == 0), 0.5, 0.0)[:, None]

# A VTEAM cell with cubic rates, 2 nF beside it, behind 300 ohm and a sine: states `v` of the capacitor and `s`.
END = 20e-6
circuit = [
    "Vd d 0 SIN(0 0.5 1e5)",
    "Rs d v 300",
    "Cv v 0 2n IC=0",
    "Bv v 0 I=V(v)/(50+950*V(s))",
    "Bs 0 s I=1e4*max(V(v)/0.1-1,0)**3-1e4*max(-V(v)/0.1-1,0)**3",
    "Cs s 0 1 IC=0.5",
]
arrays["circuit"] = transient("circuit", circuit, END, 100, ["V(v)", "V(s)"])
np.savez_compressed(sys.argv[1], **arrays)
