"""Brian2's example Brunel_Wang_2001 with 400 neurons, shown at 0.5 s and reset at 1.3 s, in plain numpy: x and s_NMDA are of the source, as all its synapses have the same.

Steps as in Brian2: equations by forward Euler, threshold, what arrives, reset. Units are mV, ms, nS and pF."""
import sys
import numpy as np

N_E, N, N_SUB, N_NON, DT, END = 320, 400, 32, 160, 0.1, 18000
W_PLUS = 2.1
W_MINUS = 1 - 0.1 * (W_PLUS - 1) / 0.9
exc, inh = slice(0, N_E), slice(N_E, N)
of = lambda excitatory, inhibitory: np.r_[np.full(N_E, excitatory), np.full(N - N_E, inhibitory)]
LEAK, CAPACITY, REFRACTORY, OUTSIDE = of(25.0, 20.0), of(500.0, 200.0), of(20, 10), of(2.08, 1.62)
strength = np.ones((N_E, N_E))
for first in range(N_NON, N_E, N_SUB):
    strength[:, first:first + N_SUB] = W_MINUS
    strength[first:first + N_SUB, first:first + N_SUB] = W_PLUS
np.fill_diagonal(strength, 0)
AMPA = np.hstack([strength * 0.26, np.full((N_E, N - N_E), 0.2025)])
NMDA = np.hstack([strength * 0.8175, np.full((N_E, N - N_E), 0.645)])
GABA = np.hstack([np.full((N - N_E, N_E), 3.125), 2.4325 * (1 - np.eye(N - N_E))])
WINDOWS = {"before": (2000, 5000), "remembered": (7000, 13000), "after": (15000, 18000)}
found = {}
for seed in range(8):
    dice = np.random.default_rng(seed)
    v, outside, ampa, gaba, x, s, free = np.full(N, -70.0), *np.zeros((5, N)), np.zeros(N, int)
    counts = {window: np.zeros(N) for window in WINDOWS}
    for step in range(END):
        drive = dice.binomial(800, 3e-3 * DT, N)
        if 5000 <= step < 5500:
            drive[N_NON:N_NON + N_SUB] += dice.binomial(80, 25e-3 * DT, N_SUB)
        if 13000 <= step < 13500:
            drive += dice.binomial(800, 25e-3 * DT, N)
        slow = s[exc] @ NMDA
        change = (-LEAK * (v + 70) - (outside + ampa) * v - gaba * (v + 70) - slow * v / (1 + np.exp(-0.062 * v) / 3.57)) / CAPACITY
        moves = step >= free
        s += DT * (-s / 100 + 0.5 * x * (1 - s))
        x -= DT * x / 2
        outside -= DT * outside / 2
        ampa -= DT * ampa / 2
        gaba -= DT * gaba / 10
        v += DT * change * moves
        fired = (v > -50) & moves
        outside += drive * OUTSIDE
        if fired.any():
            ampa += fired[exc] @ AMPA
            gaba += fired[inh] @ GABA
            v[fired] = -55
            x[fired] += 1
            free[fired] = step + REFRACTORY[fired]
            for window, (begin, end) in WINDOWS.items():
                counts[window] += fired * (begin < step < end)
    rates = {window: counts[window] / ((end - begin) * DT / 1000) for window, (begin, end) in WINDOWS.items()}
    for name, window, low, high in [
        ("first_before", "before", N_NON, N_NON + N_SUB), ("others_before", "before", 0, N_NON), ("inh_before", "before", N_E, N),
        ("first", "remembered", N_NON, N_NON + N_SUB), ("second", "remembered", N_NON + N_SUB, N_NON + 2 * N_SUB),
        ("others", "remembered", 0, N_NON), ("inh", "remembered", N_E, N),
        ("first_after", "after", N_NON, N_NON + N_SUB), ("inh_after", "after", N_E, N)]:
        found.setdefault(name, []).append(rates[window][low:high].mean())
    print(seed, {name: round(float(all[-1]), 2) for name, all in found.items()}, file=sys.stderr)
for name, all in found.items():
    mean, off = np.mean(all), 4 * np.std(all, ddof=1) * np.sqrt(1 + 1 / len(all))
    print(f'brunel_wang2001,remembers,{name},{mean:.12g},{off:.3g},"numpy, by Brian2\'s example: rate in Hz, mean of {len(all)} seeds, four standard deviations"')
