"""What the scripts of this folder that take NEST share: what it finds as lines of models.csv."""
import os
import sys
import warnings

warnings.filterwarnings("ignore")
import nest
import numpy as np

nest.set_verbosity("M_ERROR")
PROGRAM = os.path.basename(sys.argv[0])[:-3]


def fresh(step=0.1, seed=1):
    nest.ResetKernel()
    nest.resolution, nest.rng_seed = step, seed


def tell(experiment, metric, value, tolerance, what, tool="NEST 3.10"):
    """A line of models.csv; a tolerance below 0 is a share of the value."""
    value = float(value)
    tolerance = float(tolerance) if tolerance >= 0 else max(-tolerance * abs(value), 1e-12)
    print(f'{PROGRAM},{experiment},{metric},{value:.12g},{tolerance:.3g},"{tool}: {what}"')


def same(experiment, metric, value, what="spike times to the step", tolerance=-1e-9):
    """A number that must be the same but for rounding."""
    tell(experiment, metric, value, tolerance, what)


def times(recorder, step=0.1):
    """Sum of the spike times in ms: NEST gives the ends of steps, nmc their begins."""
    return np.sum(recorder.events["times"] - step)


def spread(experiment, metric, values, what, own=0.0, more=""):
    """A random number: the mean over seeds, within four standard deviations (and `own`, which `more` explains) of one of nmc."""
    off = 4 * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
    tell(experiment, metric, np.mean(values), off + own, f"{what}, mean of {len(values)} seeds, four standard deviations{more}")


def irregularity(recorder, cells, settled=0.0, step=0.1):
    """Mean over the neurons of the coefficient of variation of intervals that began `settled` ms on or later; 0 of none."""
    events, found = recorder.events, []
    for cell in cells.tolist():
        train = np.sort(events["times"][events["senders"] == cell]) - step
        gaps = np.diff(train)[train[:-1] >= settled - 1e-6]
        found.append(np.std(gaps) / np.mean(gaps) if len(gaps) else 0)
    return np.mean(found)
