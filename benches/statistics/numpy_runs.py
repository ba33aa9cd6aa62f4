"""The network of `brunel` in numpy, each step as docs/semantics.md has it or as NEST's `iaf_psc_delta`: numpy_runs.py KIND FILE SEED… writes FILE with each seed in place of `{}`.

KIND is ORDER_SOURCES: `nmc` or `nest`, and `once` (a neuron's sources differ) or `several` (each is drawn by itself, so that some come more than once)."""
import os, sys
import numpy as np

kind, file, seeds = sys.argv[1], sys.argv[2], sys.argv[3:]
order, several = kind.split("_")[0], kind.endswith("several")
EXC, INH, JUMP, DELAY, REFRACTORY = 10000, 2500, 0.1, 15, 20
ALL = EXC + INH


def targets(dice, sources, degree):
    """Who is reached, source by source, and where each source's begin."""
    if several:
        drawn = dice.integers(0, sources, (ALL, degree), dtype=np.int32)
    else:
        drawn = np.stack([dice.choice(sources, degree, replace=False, shuffle=False) for _ in range(ALL)]).astype(np.int32)
    by_source = np.argsort(drawn.ravel(), kind="stable")
    starts = np.searchsorted(drawn.ravel()[by_source], np.arange(sources + 1))
    return (by_source // degree).astype(np.int32), starts


def run(seed):
    dice = np.random.default_rng(seed)
    (of_exc, exc), (of_inh, inh) = targets(dice, EXC, 1000), targets(dice, INH, 250)
    kept, v, held = np.exp(-0.1 / 20), np.zeros(ALL), np.zeros(ALL, int)
    under_way, steps, neurons = np.zeros((DELAY + 1, ALL)), [], []
    for step in range(4000):
        slot = under_way[step % (DELAY + 1)]
        arrives = slot + JUMP * dice.poisson(2.0, ALL)
        slot[:] = 0
        free = held == 0
        held[~free] -= 1
        v[free] *= kept
        if order == "nest":  # judged with what arrives
            v[free] += arrives[free]
            fired = np.flatnonzero(free & (v >= 20))
            held[fired] = REFRACTORY
        else:
            fired = np.flatnonzero(free & (v > 20))
            v[free] += arrives[free]
            held[fired] = REFRACTORY - 1
        v[fired] = 0
        steps.append(np.full(len(fired), step))
        neurons.append(fired)
        ahead = under_way[(step + DELAY) % (DELAY + 1)]
        for weight, whom, starts, mine in ((JUMP, of_exc, exc, fired[fired < EXC]), (-5 * JUMP, of_inh, inh, fired[fired >= EXC] - EXC)):
            if len(mine):
                ahead += weight * np.bincount(np.concatenate([whom[starts[k]:starts[k + 1]] for k in mine]), minlength=ALL)
    return dict(step=np.concatenate(steps), neuron=np.concatenate(neurons))


for seed in seeds:
    np.savez(file.format("part"), **run(int(seed)))
    os.replace(file.format("part"), file.format(seed))
