import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lbt.config import SpaceSettings
from lbt.latency.parts import BRANCH_COUNTS, Part, build_part, list_genotype_parts, list_space_parts
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.network.size import count_macs, count_parameters

SPACES = [
    SpaceSettings(layers=4, base_width=2),
    SpaceSettings(layers=7, base_width=8),
    SpaceSettings(layers=9, base_width=12, stem_twelfths=6, head_twelfths=10, width_twelfths=(3, 12), branches="32"),
]


def genotypes(space, count=6):
    generator = torch.Generator().manual_seed(0)
    return [random_genotype(space, generator, ends) for ends in BRANCH_SCALES[space.branches] for _ in range(count)]


@pytest.mark.parametrize("space", SPACES, ids=["smallest", "medium", "one-branch"])
def test_every_network_of_the_space_is_made_of_its_parts(space):
    parts = list_space_parts(space, 5)
    assert len(set(parts)) == len(parts)
    for genotype in genotypes(space):
        assert set(list_genotype_parts(genotype, space, 5)) <= set(parts)


@pytest.mark.parametrize("size", [(64, 96), (50, 75)])
@pytest.mark.parametrize("space", SPACES, ids=["smallest", "medium", "one-branch"])
def test_parts_have_the_network_s_parameters_and_multiply_accumulates(space, size):
    for genotype in genotypes(space, count=2):
        network = Network(genotype, space, 5)
        parameters = macs = 0
        for part in list_genotype_parts(genotype, space, 5):
            module, inputs = build_part(part, space, size)
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                output = module(*inputs)
            assert output.shape[:2] == (1, part.out_channels)
            parameters += sum(p.numel() for p in module.parameters())
            macs += counter.get_total_flops() // 2
        assert parameters == count_parameters(network)
        assert macs == count_macs(network, size)


def test_parts_chain_to_logits_of_the_image_s_size():
    space = SPACES[1]
    for part in list_space_parts(space, 5):
        if part.part in ("stem", "predict"):
            module, inputs = build_part(part, space, (50, 75))
            size = module(*inputs).shape[-2:]
            assert size == ((50, 75) if part.part == "predict" else (8, 12))


def test_shared_cells_are_listed_once():
    space = SpaceSettings(layers=5, base_width=12)
    prefix = (Cell(0, 8, "conv", 1, 4), Cell(1, 8, "zoom", 2, 6))
    coarse = Branch(32, (*prefix, Cell(2, 16, "conv_2x", 2, 8), Cell(3, 32, "conv", 1, 8)))
    fine = Branch(16, (*prefix, Cell(2, 16, "zoom_2x", 1, 8), Cell(3, 16, "conv", 1, 8)))
    cells = [part for part in list_genotype_parts(Genotype((coarse, fine)), space, 5) if part.part == "cell"]
    assert [(part.operator, part.in_channels, part.out_channels) for part in cells] == [
        ("conv", 64, 32),
        ("zoom", 32, 96),
        ("conv_2x", 96, 256),
        ("conv", 256, 256),
        ("zoom_2x", 96, 128),
        ("conv", 128, 128),
    ]


def test_an_identity_is_not_a_part():
    space = SpaceSettings(layers=4, base_width=12)
    kept = Branch(8, (Cell(0, 8, "conv", 1, 4), Cell(1, 8, "conv", 1, 8)))
    longer = Branch(8, (Cell(0, 8, "conv", 1, 4), Cell(1, 8, "skip", 1, 4), Cell(2, 8, "conv", 1, 8)))
    assert list_genotype_parts(Genotype((kept,)), space, 5) == list_genotype_parts(Genotype((longer,)), space, 5)


def test_measured_predictions_cover_one_and_two_branches():
    predictions = [part for part in list_space_parts(SPACES[1], 5) if part.part == "predict"]
    assert [part.in_channels for part in predictions] == [40 * count for count in BRANCH_COUNTS]


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match="no part is called 'decoder'"):
        build_part(Part("decoder", "", 1, 8, 8, 0, 8), SPACES[0], (64, 64))
