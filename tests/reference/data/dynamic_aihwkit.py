"""Analog gradient accumulation with a dynamic reference (AGAD, Rasch et al. 2023) in AIHWKIT 1.1: what `two_arrays_aihwkit.py` does with choppers, whose
fast array is read against the mean of the reads before its signs turned. Writes dynamic_aihwkit.npz: `error`, `loss` and `asymmetric`, over as many seeds.

    pip install aihwkit==1.1.0 && python dynamic_aihwkit.py
"""

import numpy as np
import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import DynamicTransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsDevice
from aihwkit.simulator.configs.utils import IOParameters, UpdateParameters
from aihwkit.simulator.parameters.enums import PulseType

torch.set_num_threads(1)


def train(x, targets, weights, seed, transfer, asymmetry, epochs):
    """Root mean square error of the weights, and the mean loss of the last epoch."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    cell = lambda: SoftBoundsDevice(
        dw_min=0.01, dw_min_dtod=0.3, dw_min_std=0.3, up_down_dtod=asymmetry, w_max=1.0, w_min=-1.0, w_max_dtod=0.3, w_min_dtod=0.3
    )
    perfect = IOParameters(is_perfect=True)
    exact = UpdateParameters(
        desired_bl=31, update_bl_management=False, update_management=False, pulse_type=PulseType.DETERMINISTIC_IMPLICIT
    )
    device = DynamicTransferCompound(
        unit_cell_devices=[cell(), cell()], transfer_every=1, units_in_mbatch=False, n_reads_per_transfer=1, transfer_columns=True,
        fast_lr=0.1, transfer_lr=transfer, scale_transfer_lr=True, transfer_forward=perfect, transfer_update=exact, momentum=0.0,
        forget_buffer=False, construction_seed=seed + 1, in_chop_prob=0.1, in_chop_random=False, out_chop_prob=0.0, tail_weightening=5.0,
    )
    config = UnitCellRPUConfig(device=device, forward=perfect, backward=perfect, update=UpdateParameters(desired_bl=31))
    config.mapping.weight_scaling_omega = 0.0
    layer = AnalogLinear(x.shape[1], targets.shape[1], bias=False, rpu_config=config)
    layer.set_weights(torch.zeros(*weights.shape))
    optimizer = AnalogSGD(layer.parameters(), lr=1.0)
    optimizer.regroup_param_groups(layer)
    inputs, wanted = torch.tensor(x, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    for _ in range(epochs):
        losses = []
        for i in range(len(inputs)):
            optimizer.zero_grad()
            loss = 0.5 * ((layer(inputs[i : i + 1]) - wanted[i : i + 1]) ** 2).sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return np.sqrt(np.mean((layer.get_weights()[0].numpy() - weights) ** 2)), np.mean(losses)


if __name__ == "__main__":
    numbers = np.random.default_rng(3)
    weights = numbers.uniform(-0.5, 0.5, (6, 8))
    x = numbers.uniform(-1, 1, (50, 8))
    targets = x @ weights.T
    found = np.array([train(x, targets, weights, seed, 0.05, 0.0, 40) for seed in range(20)])
    results = dict(error=found[:, 0], loss=found[:, 1])
    both = np.stack([np.full(300, 0.4), np.full(300, -0.4)])
    results["asymmetric"] = np.array([train(np.ones((2, 1)), both, np.zeros((300, 1)), seed, 0.001, 0.3, 600)[0] for seed in range(4)])
    for name in results:
        print(name, results[name].mean(), results[name].std() / np.sqrt(len(results[name]) - 1))
    np.savez("dynamic_aihwkit.npz", **results)
