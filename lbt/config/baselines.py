"""The baselines as a table: the facts that settings, workflow and pages need without importing PyTorch.

A baseline is a network that nobody searched, trained like those of the methods. Its code is `lbt.baselines.<name>`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BaselineFacts:
    """The facts about a baseline for people.

    Attributes:
        title: its name in the literature.
        source: who published it.
    """

    title: str
    source: str


BASELINES: dict[str, BaselineFacts] = {
    "deeplabv3_mobilenetv3": BaselineFacts("DeepLabV3-MobileNetV3", "Chen et al., 2017, in torchvision"),
    "fast_scnn": BaselineFacts("Fast-SCNN", "Poudel et al., BMVC 2019"),
    "fasterseg_released": BaselineFacts("FasterSeg arch_1", "Chen et al., ICLR 2020"),
    "lraspp_mobilenetv3": BaselineFacts("LR-ASPP-MobileNetV3", "Howard et al., ICCV 2019, in torchvision"),
}
"""Every baseline by its name, in alphabetical order. No method has such a name."""
