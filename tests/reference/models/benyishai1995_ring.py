"""A ring of 40 rates by Euler's method, shown a direction and then none."""
from peer import *

cells = NeuronGroup(
    40, "dr/dt = (clip(1 + drive*0.1*cos(2*pi*(i - 12)/40) + s, 0, inf) - r)/(10*ms) : 1\ns : 1\ndrive : 1", method="euler")
joined = Synapses(cells, cells, "w : 1\ns_post = w*r_pre : 1 (summed)")
joined.connect()
joined.w = "-0.15 + 0.1*cos(2*pi*(i - j)/40)"
for name, drive in ("shown", 1), ("kept", 0):
    cells.drive = drive
    run(0.2*second)
    same(name, "mean", np.mean(cells.r), "mean rate", 1e-9)
    same(name, "spread", np.std(cells.r), "standard deviation of rates", 1e-9)
    same(name, "largest", np.max(cells.r), "largest rate", 1e-9)
