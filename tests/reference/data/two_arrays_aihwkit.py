"""Tiki-Taka with a digital buffer (TTv2), without and with choppers, in AIHWKIT 1.1, in cells with soft bounds. Writes two_arrays_aihwkit.npz:

- a layer of 8 inputs and 6 outputs learns a linear map (`x`, `targets`, `weights`): over 20 seeds the error of the weights (root mean square) and the mean loss
  of the last of 40 epochs, `buffered_*` and `chopped_*`;
- 300 weights on one input, whose targets are 0.4 and -0.4 in turn, in cells whose pulses up and down differ: over 4 seeds the weights' root mean square,
  `asymmetric_buffered` and `asymmetric_chopped`.

    pip install aihwkit==1.1.0 && python two_arrays_aihwkit.py
"""

import numpy as np
import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import BufferedTransferCompound, ChoppedTransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsDevice
from aihwkit.simulator.configs.utils import IOParameters, UpdateParameters
from aihwkit.simulator.parameters.enums import PulseType

torch.set_num_threads(1)


def train(x, targets, weights, chop, seed, transfer, asymmetry, epochs):
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
    chopped = dict(in_chop_prob=chop, in_chop_random=True, out_chop_prob=0.0) if chop > 0 else {}
    device = (ChoppedTransferCompound if chop > 0 else BufferedTransferCompound)(
        unit_cell_devices=[cell(), cell()], transfer_every=1, units_in_mbatch=False, n_reads_per_transfer=1, transfer_columns=True,
        fast_lr=0.1, transfer_lr=transfer, scale_transfer_lr=True, transfer_forward=perfect, transfer_update=exact, momentum=0.0,
        forget_buffer=False, construction_seed=seed + 1, **chopped,
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
    results = dict(x=x, targets=targets, weights=weights)
    for name, chop in [("buffered", 0.0), ("chopped", 0.1)]:
        found = np.array([train(x, targets, weights, chop, seed, 0.05, 0.0, 40) for seed in range(20)])
        results[f"{name}_error"], results[f"{name}_loss"] = found.T
    for name, chop in [("buffered", 0.0), ("chopped", 0.1)]:
        both = np.stack([np.full(300, 0.4), np.full(300, -0.4)])
        found = [train(np.ones((2, 1)), both, np.zeros((300, 1)), chop, seed, 0.001, 0.3, 600)[0] for seed in range(4)]
        results[f"asymmetric_{name}"] = np.array(found)
    for name in results:
        if results[name].ndim == 1:
            print(name, results[name].mean(), results[name].std() / np.sqrt(len(results[name]) - 1))
    np.savez("two_arrays_aihwkit.npz", **results)
