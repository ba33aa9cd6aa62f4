"""Runs of ff_snn in snnTorch, one thread: snntorch_runs.py FILE SEED… writes FILE with each seed in place of `{}`. Weights and inputs are kept for nmc.

Shares of steps with a spike, of each neuron: of all 100 steps (`hidden`, `output`), and of the first 99 and 98 (`hidden_first`, `output_first`)."""
import math, os, sys
import numpy, torch
import snntorch

file, seeds = sys.argv[1], sys.argv[2:]
torch.set_num_threads(1)


def run(seed):
    dice = torch.Generator().manual_seed(seed)
    w1, w2 = torch.randn(256, 784, generator=dice) * 2 / 28, torch.randn(10, 256, generator=dice) * 2 / 16
    leaky = [snntorch.Leaky(beta=math.exp(-1 / 20), threshold=1.0, reset_mechanism="subtract") for _ in range(2)]
    x = torch.rand(1000, 784, generator=dice)
    hidden, output = torch.zeros(256), torch.zeros(10)
    m1, m2 = (layer.init_leaky() for layer in leaky)
    for step in range(100):
        if step == 99:
            hidden_first = hidden.clone()
        if step == 98:
            output_first = output.clone()
        s1, m1 = leaky[0](torch.bernoulli(x, generator=dice) @ w1.T, m1)
        s2, m2 = leaky[1](s1 @ w2.T, m2)
        hidden += s1.sum(0)
        output += s2.sum(0)
    shares = dict(hidden=hidden / 100, output=output / 100, hidden_first=hidden_first / 99, output_first=output_first / 98)
    arrays = dict(w1=w1.T, w2=w2.T, x=x)
    return {name: share.numpy() / len(x) for name, share in shares.items()} | {name: each.numpy().astype(float) for name, each in arrays.items()}


for seed in seeds:
    with torch.inference_mode():
        numpy.savez(file.format("part"), **run(int(seed)))
    os.replace(file.format("part"), file.format(seed))
