"""Writes curved.npz: currents of arrays of cells whose current is no multiple of the voltage, by ngspice 39 (operating point, reltol 1e-9).

Rows are driven at the left by volts[row], columns held at 0 V below the last row, 5 ohm from cell to cell and before the first and after the last.
"""
import subprocess, sys
import numpy as np

CURVES = {
    "rectifying": "{g}*0.1*(exp(V(r{r}_{c},c{r}_{c})/0.1)-1)",
    "selector": "{g}*V(r{r}_{c},c{r}_{c})/(1+exp((0.3-abs(V(r{r}_{c},c{r}_{c})))/0.03))",
}
OHM = 5.0
arrays = {}
for name, size in [("rectifying", 32), ("rectifying", 64), ("selector", 32), ("selector", 64)]:
    rng = np.random.default_rng(size)
    share = rng.uniform(size=(size, size))
    share /= share.max()
    volts = rng.uniform(-0.1 if name == "rectifying" else -0.5, 0.5, size)
    lines = [name]
    for r in range(size):
        lines.append(f"Vr{r} d{r} 0 {float(volts[r])!r}")
        lines.append(f"Rd{r} d{r} r{r}_0 {OHM}")
        for c in range(size):
            g = 1e-4 * share[r, c]
            lines.append(f"B{r}_{c} r{r}_{c} c{r}_{c} I=" + CURVES[name].format(g=repr(float(g)), r=r, c=c))
            if c + 1 < size:
                lines.append(f"Rr{r}_{c} r{r}_{c} r{r}_{c+1} {OHM}")
            lines.append(f"Rc{r}_{c} c{r}_{c} " + (f"c{r+1}_{c}" if r + 1 < size else f"e{c}") + f" {OHM}")
    for c in range(size):
        lines.append(f"Ve{c} e{c} 0 0")
    lines += [".options reltol=1e-9 abstol=1e-16 vntol=1e-12 gmin=1e-20 numdgt=15", ".control", "set numdgt=15", "op"]
    lines += ["wrdata out.txt " + " ".join(f"i(Ve{c})" for c in range(size)), ".endc", ".end"]
    open("array.cir", "w").write("\n".join(lines))
    # It ends with 1, as there is nothing to plot.
    subprocess.run(["ngspice", "-b", "array.cir"], stdout=subprocess.DEVNULL)
    row = np.loadtxt("out.txt").reshape(-1)
    arrays[f"{name}_{size}"] = row[1::2]
    # Weights [outputs, inputs].
    arrays[f"{name}_{size}_w"] = np.ascontiguousarray(share.T)
    arrays[f"{name}_{size}_x"] = volts[None]
    arrays[f"ones_{size}"] = np.ones((1, size))
np.savez_compressed(sys.argv[1], **arrays)
