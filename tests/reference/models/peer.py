"""What the scripts of this folder share: Brian2 in plain numpy, and what it finds as lines of models.csv."""
import builtins
import os
import sys

import brian2
import numpy as np
from brian2 import *

prefs.codegen.target = "numpy"
PROGRAM = os.path.basename(sys.argv[0])[:-3]


def tell(experiment, metric, value, tolerance, what):
    """A line of models.csv; a tolerance below 0 is a share of the value."""
    value = float(value)
    tolerance = float(tolerance) if tolerance >= 0 else builtins.max(-tolerance * builtins.abs(value), 1e-12)
    print(f'{PROGRAM},{experiment},{metric},{value:.12g},{tolerance:.3g},"Brian2 {brian2.__version__}: {what}"')


def same(experiment, metric, value, what="spike times to the step", tolerance=-1e-9):
    """A number that must be the same but for rounding."""
    tell(experiment, metric, value, tolerance, what)


def times(monitor, elements):
    """Mean over the elements of the sum of their spike times, in ms."""
    return float(np.sum(monitor.t / ms)) / elements


def spread(experiment, metric, values, what, own=0.0, parts=1):
    """A random number: the mean over seeds, within four standard deviations (`own` at least) of nmc's mean of `parts`."""
    values = np.asarray(values, dtype=float)
    off = 4 * np.std(values, ddof=1) * np.sqrt(1/parts + 1/len(values))
    tell(experiment, metric, np.mean(values), builtins.max(off, own), f"{what}, mean of {len(values)} seeds, four standard deviations")


def irregularity(monitor, elements, settled=0):
    """Mean over the elements of the coefficient of variation of intervals that began `settled` ms on or later; 0 of none."""
    found = np.zeros(elements)
    for k, train in monitor.spike_trains().items():
        train = np.asarray(train/ms)
        gaps = np.diff(train)[train[:-1] >= settled]
        found[k] = np.std(gaps)/np.mean(gaps) if len(gaps) else 0
    return np.mean(found)
