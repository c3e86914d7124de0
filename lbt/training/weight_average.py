"""The moving average of a network's weights over the steps of its training."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of weights and BatchNorm statistics; `update_parameters` adds a step.

    The first step is copied. After n steps, the next one moves the average by 1 - min(decay, (1 + n) / (10 + n)).
    Otherwise the first weights would dominate the average of a short training.

    Args:
        network: copied. The average takes its counts of batches as they are.
        decay: per step, above 0 and below 1.
    """

    def update(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        if averages[0].is_floating_point():
            steps = int(count)
            get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, values, count)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)
