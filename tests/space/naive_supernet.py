"""The supernet's features by the equations of the paper (FasterSeg, arXiv:1912.10917, section 3), node by node."""

from itertools import combinations

import torch
import torch.nn.functional as F

from lbt.network.derivation_rule import path_scales
from lbt.space.architecture import OPERATORS


def images(batch=2, height=32, width=64, dtype=torch.float32):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(9), dtype=dtype)


def naive_features(net, x, architecture, widths):
    """The equations of the paper, node by node and without any shortcut."""
    layers, scales = net.space.layers, (8, 16, 32)
    weight = {key: value.softmax(-1) for key, value in architecture.items()}
    factor = {key: torch.ones(len(rows)) for key, rows in widths.indices.items()}
    factor.update(widths.factors or {})
    node = {(0, 8): net.stem(x)}
    for layer in range(layers):
        target: dict[tuple[int, str], torch.Tensor] = {}
        for i, scale in enumerate(scales[: layer + 1]):
            for edge, j in (("keep", i), ("down", i + 1)):
                if edge == "down" and (i == 2 or layer == layers - 1):
                    continue
                last = layer == layers - 1
                out = widths.indices[f"gamma.{scales[j]}"][layer - (j == 2)] if not last else 0
                operators = net.cell(layer, scale).edge(edge)
                value = sum(
                    weight[f"alpha.{scale}"][layer - i, k] * operators.operator(name)(node[layer, scale], out)
                    for k, name in enumerate(OPERATORS)
                )
                if layer > 0:
                    value = value * factor[f"gamma.{scale}"][layer - 1 - (i == 2)]
                if not last:
                    value = value * factor[f"gamma.{scales[j]}"][layer - (j == 2)]
                target[scales[j], edge] = value
        for j, scale in enumerate(scales[: layer + 2]):
            parts = {edge: target[scale, edge] for edge in ("down", "keep") if (scale, edge) in target}
            if len(parts) == 2:
                beta = weight[f"beta.{scale}"][layer - j]
                node[layer + 1, scale] = beta[0] * parts["down"] + beta[1] * parts["keep"]
            else:
                (node[layer + 1, scale],) = parts.values()
    return {scale: node[layers, scale] for scale in scales}, naive_details(layers, node, weight, factor)


def naive_details(layers, node, weight, factor):
    """Path by path: the feature before each halving, weighted by the product of the path's probabilities."""
    details = {8: {}, 16: {}, 32: {}}
    for end in (16, 32):
        for downs in combinations(range(layers - 1), (16, 32).index(end) + 1):
            chance, at = torch.ones((), dtype=weight["beta.16"].dtype), path_scales(downs, layers)
            for layer in range(1, layers):
                row = layer - {16: 2, 32: 3}.get(at[layer], 0)
                if at[layer] > 8 and row >= 0:
                    chance = chance * weight[f"beta.{at[layer]}"][row, int(at[layer - 1] == at[layer])]
            for layer in downs:
                x, scale = node[layer, at[layer]], at[layer]
                used = factor[f"gamma.{scale}"][layer - 1 - (scale == 32)] if layer > 0 else 1
                part = F.pad(x * used * chance, (0, 0, 0, 0, 0, 16 * scale // 8 - x.shape[1]))
                details[end][scale] = details[end].get(scale, 0) + part
    return details
