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


def spread(experiment, metric, values, what, own=0.0):
    """A random number: the mean over seeds, within four times the spread of one run about it (`own` of it, too)."""
    values = np.asarray(values, dtype=float)
    off = np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
    tell(experiment, metric, np.mean(values), builtins.max(4 * off, own), f"{what}, mean of {len(values)} seeds, four standard deviations")
