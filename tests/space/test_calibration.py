import pytest
import torch

from lbt.space.calibration import calibrate_supernet, recalibrate
from lbt.space.operators import ConvBnRelu
from lbt.space.widths import argmax_widths, max_widths, min_widths


def test_statistics_are_plain_averages_over_batches():
    layer = ConvBnRelu((3,), (4, 6), 3).double().train()
    batches = [torch.randn(4, 3, 8, 8, dtype=torch.double) * (i + 1) + i for i in range(5)]
    layer(batches[0], 1)  # statistics that recalibration must replace
    recalibrate(layer, batches, lambda batch: layer(batch, 1))
    activations = [layer.conv(batch, 1) for batch in batches]
    mean = torch.stack([a.mean((0, 2, 3)) for a in activations]).mean(0)
    variance = torch.stack([a.var((0, 2, 3), unbiased=True) for a in activations]).mean(0)
    torch.testing.assert_close(layer.bn[1].running_mean, mean)
    torch.testing.assert_close(layer.bn[1].running_var, variance)


def test_a_supernet_is_calibrated_at_the_most_probable_widths(supernet, space, architecture):
    widths = argmax_widths(architecture, space)
    assert max_widths(space) != widths != min_widths(space)
    batches = [torch.randn(2, 3, 32, 64) for _ in range(2)]
    calibrate_supernet(supernet, architecture, space, batches)
    assert not any(module.training for module in supernet.modules())
    for layer in range(1, space.layers - 1):  # the output of layer l enters layer l + 1; the last one has one width
        edge, chosen = supernet.cell(layer, 8).keep, widths.index(layer + 1, 8)
        calibrated = [int(norm.num_batches_tracked) for norm in edge.conv.layers()[0].bn]
        assert calibrated == [2 if width == chosen else 0 for width in range(2)], layer


def test_recalibration_changes_nothing_but_the_statistics(supernet, space, architecture):
    supernet.train()
    supernet.decoder.eval()
    for _ in range(2):
        supernet(torch.randn(2, 3, 32, 64), architecture, max_widths(space))
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    modes = [module.training for module in supernet.modules()]
    batches = [torch.randn(2, 3, 32, 64) for _ in range(2)]
    recalibrate(supernet, batches, lambda batch: supernet(batch, architecture, max_widths(space)))
    assert [module.training for module in supernet.modules()] == modes
    assert {m.momentum for m in supernet.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}
    for name, value in supernet.state_dict().items():
        statistic = "running_" in name
        unused = ".bn.0." in name and name.startswith("cells.") and not name.startswith("cells.4")
        assert torch.equal(value, before[name]) == (not statistic or unused) or "num_batches" in name, name
    assert not any(p.grad is not None for p in supernet.parameters())


def test_the_result_does_not_depend_on_earlier_statistics(supernet, space, architecture):
    batches = [torch.randn(2, 3, 32, 64) for _ in range(2)]
    results = []
    for disturb in (0, 3):
        for _ in range(disturb):
            supernet.train()(torch.randn(2, 3, 32, 64) * 9, architecture, max_widths(space))
        recalibrate(supernet, batches, lambda batch: supernet(batch, architecture, max_widths(space)))
        results.append(supernet.eval()(batches[0], architecture, max_widths(space))[0])
    assert torch.equal(*results)


def test_recalibration_without_batches_is_refused_and_changes_no_statistics():
    layer = ConvBnRelu((3,), (4,), 3).train()
    layer(torch.randn(2, 3, 8, 8))
    before = layer.bn[0].running_mean.clone()
    with pytest.raises(ValueError, match="no batches"):
        recalibrate(layer, [], layer)
    assert torch.equal(layer.bn[0].running_mean, before)
