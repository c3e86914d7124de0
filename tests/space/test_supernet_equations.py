"""Features, gradients and second derivatives of the supernet against its equations without any shortcut."""

import pytest
import torch
import torch.nn.functional as F
from naive_supernet import images, naive_features

from lbt.config import SpaceSettings
from lbt.space.architecture import architecture_shapes
from lbt.space.supernet import Supernet
from lbt.space.widths import draw_gumbel_noise, draw_random_widths, sample_widths


def compared(net, x, architecture, widths):
    """The same scalar of the features, once by the supernet and once by the equations; factors are 1, so that only
    gradients show the straight-through widths."""
    for ends, details in (net.features(x, architecture, widths), naive_features(net, x, architecture, widths)):
        features = [*ends.values(), details[16][8], details[32][8], details[32][16]]
        # not their squares: behind a BatchNorm these sum to nearly a constant, whose gradient is rounding
        g = torch.Generator().manual_seed(4)
        yield sum((f * torch.randn(f.shape, generator=g, dtype=f.dtype)).sum() for f in map(_padded, features))


def _padded(feature):
    """Zero-padded to the most channels that a detail can have, so that both evaluations draw the same weights."""
    return F.pad(feature, (0, 0, 0, 0, 0, 64 - feature.shape[1]))


def random_architecture(space, generator, dtype):
    shapes = architecture_shapes(space).items()
    return {key: torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for key, shape in shapes}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 1e-5)])
@pytest.mark.parametrize("layers", [4, 6])
def test_features_follow_the_equations(layers, dtype, tolerance, generator):
    space = SpaceSettings(layers=layers, base_width=2, width_twelfths=(6, 12))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, x = Supernet(space, 3).to(dtype).train(), images(dtype=dtype, height=128, width=128)
    architecture = random_architecture(space, generator, dtype)

    def close(a, b):
        assert (a - b).norm() <= tolerance * b.norm()

    for widths in (
        draw_random_widths(space, generator),
        sample_widths(architecture, space, draw_gumbel_noise(space, generator)),
    ):
        found, expected = net.features(x, architecture, widths), naive_features(net, x, architecture, widths)
        for scale in (8, 16, 32):
            close(found[0][scale], expected[0][scale])
        for end, scale in ((16, 8), (32, 8), (32, 16)):
            detail = found[1][end][scale]
            close(detail, expected[1][end][scale][:, : detail.shape[1]])
            assert not expected[1][end][scale][:, detail.shape[1] :].any()
        if dtype == torch.float:  # see test_cell.py: kinks and BatchNorms amplify rounding from cell to cell
            continue
        leaves = [*architecture.values(), *net.parameters()]
        values = compared(net, x, architecture, widths)
        gradients = [torch.autograd.grad(v, leaves, allow_unused=True, retain_graph=True) for v in values]
        largest = [max(float(g.abs().max()) for g in part if g is not None) for part in gradients]
        assert largest[0] == pytest.approx(largest[1], rel=1e-3)
        for a, b in zip(*gradients, strict=True):
            assert (a is None or not a.any()) == (b is None or not b.any())
            if a is not None and b is not None:
                close(a, b)


def test_running_statistics_move_as_in_operators_run_one_by_one(space, generator):
    nets = [Supernet(space, 3).double().train() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    architecture = random_architecture(space, generator, torch.double)
    for _ in range(3):
        widths, x = draw_random_widths(space, generator), torch.randn(2, 3, 64, 64, generator=generator).double()
        nets[0].features(x, architecture, widths)
        naive_features(nets[1], x, architecture, widths)
    for (name, a), b in zip(nets[0].named_buffers(), nets[1].buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=name)


def test_mixed_second_derivative_is_that_of_the_equations(space, generator):
    """d2L / dA dT . v by double backward, to 1e-10 in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Supernet(space, 3).double().train()
    architecture = random_architecture(space, generator, torch.double)
    widths = sample_widths(architecture, space, draw_gumbel_noise(space, generator))
    parameters = [p for name, p in net.named_parameters() if not name.startswith("decoder")]
    direction = [torch.randn(p.shape, generator=generator, dtype=torch.double) for p in parameters]
    results = []
    for value in compared(net, images(dtype=torch.double, height=96, width=96), architecture, widths):
        first = torch.autograd.grad(value, parameters, create_graph=True, allow_unused=True)
        inner = sum((g * v).sum() for g, v in zip(first, direction, strict=True) if g is not None)
        results.append(torch.autograd.grad(inner, list(architecture.values()), retain_graph=True))
    for key, a, b in zip(architecture, *results, strict=True):
        assert b.norm() > 0, key
        assert (a - b).norm() < 1e-10 * b.norm(), key
