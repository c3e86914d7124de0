"""Settings of retraining, and the recipes: named sets of defaults for the keys that are not given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from lbt.config.base import (
    GPUS_HELP,
    WITHOUT_EFFECT,
    Gpus,
    NotNegative,
    Positive,
    Section,
    check_gpus,
    read_above_zero,
    read_with,
)

BALANCED_LOSSES = ("enet", "median_frequency")
"""Values of `retrain.loss` that need the number of training pixels of each class."""


class _Preset(Section):
    """A section in which one key chooses the defaults of others; they are filled in before the section is checked."""

    CHOICE: ClassVar[str]
    """The key that chooses."""
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]]
    """By value of that key: defaults that differ from those of the fields, also inside sections."""

    @model_validator(mode="wrap")
    @classmethod
    def _fill(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, Mapping):
            return build(given)
        chosen = given.get(cls.CHOICE, cls.model_fields[cls.CHOICE].default)
        found = build(_merge(cls.PRESETS.get(str(chosen), {}), given))
        found.model_fields_set.intersection_update(given)  # what is filled in was not written
        return found


def _merge(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values, and the defaults of keys that are not given."""
    found = dict(defaults) | dict(given)
    for key, default in defaults.items():
        if isinstance(default, Mapping) and isinstance(given.get(key), Mapping):
            found[key] = _merge(default, given[key])
    return found


class RetrainOptimizer(_Preset):
    """AdamW (Loshchilov and Hutter, ICLR 2019), or stochastic gradient descent with momentum."""

    CHOICE = "name"
    PRESETS: ClassVar = {"sgd": {"lr": 0.01, "weight_decay": 5.0e-4}}

    name: Literal["adamw", "sgd"] = Field("adamw", description="The optimiser.")
    lr: Positive = Field(3.0e-3, description="Largest learning rate. With `name: sgd` the default is 0.01.")
    momentum: Annotated[float, read_with("retrain.optimizer.name", "sgd")] = Field(
        0.9, ge=0, lt=1, description="Momentum."
    )
    beta1: Annotated[float, read_with("retrain.optimizer.name", "adamw")] = Field(
        0.9, ge=0, lt=1, description="First decay rate."
    )
    beta2: Annotated[float, read_with("retrain.optimizer.name", "adamw")] = Field(
        0.999, ge=0, lt=1, description="Second decay rate."
    )
    weight_decay: NotNegative = Field(
        1.0e-2, description="Weight decay. With `name: sgd` the default is 0.0005, which is added to the gradient."
    )
    decay_all: bool = Field(
        False, description="Whether weight decay also applies to BatchNorm's parameters and to biases."
    )
    clip_norm: Positive = Field(5.0, description="Largest norm of the gradient; a larger one is scaled down to it.")


class GuideTraining(Section):
    """The keys of `retrain` with which the network to distil from is trained."""

    epochs: Positive = Field(600.0, description="Passes over the training images; fractions work.")
    batch_size: int = Field(8, ge=2, le=65_536, description="Images per step.")
    loss: Literal["ohem", "cross_entropy", "enet", "median_frequency"] = Field(
        "enet",
        description="`cross_entropy`: the mean over all labelled pixels. `ohem`: over those whose class has a "
        "probability below 0.7, at least a sixteenth of them. `enet`: a mean with the weight 1 / ln(`enet_offset` + f) "
        "for a class with the share f of the labelled training pixels. `median_frequency`: with the weight m / f, "
        "where f is the share of the class in the images that show it, and m the median of f.",
    )
    enet_offset: Annotated[float, read_with("retrain.loss", "enet")] = Field(
        1.02,
        gt=1,
        le=10,
        description="Limits the weights of `loss: enet`: 1.02, that of the paper, to 1.42 ... 50.5, and 1.1 to 1.35 "
        "... 10.5.",
    )
    optimizer: RetrainOptimizer = Field(RetrainOptimizer(), description="Optimiser of the network's weights.")
    lr_warmup: float = Field(
        0.05, ge=0, lt=1, description="Share of the steps in which the learning rate first rises linearly from 0."
    )
    power: float = Field(0.9, ge=0, le=100, description="The learning rate falls as (1 - step/steps) to this power.")
    ema_decay: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Decay per step of the exponential moving average of weights and BatchNorm statistics, which is "
        "the trained network. In step n it is at most (1 + n) / (10 + n). 0: the last weights are the network.",
    )
    auxiliary_weight: NotNegative = Field(0.4, description="Weight of the losses of the training-only heads.")
    auxiliary_size: Annotated[Literal["image", "head"], read_above_zero("retrain.auxiliary_weight")] = Field(
        "head",
        description="Resolution of these losses. `image`: their logits are upsampled. `head`: each logit is compared "
        "with the label at the centre of its pixels, which takes less time.",
    )
    channels_last: bool = Field(
        True, description="Whether weights and features are in channels-last order, which is faster on a CPU."
    )
    initial: Literal["random", "supernet"] = Field(
        "random", description="First weights: drawn, or inherited from the supernet after its last round."
    )
    gpus: Gpus = Field(1, description=GPUS_HELP)

    @model_validator(mode="after")
    def _divided(self) -> Self:
        check_gpus(self.gpus, batch_size=self.batch_size)
        return self


class RetrainSettings(GuideTraining, _Preset):
    """Training of the derived network on the whole official training part."""

    CHOICE = "recipe"
    PRESETS: ClassVar = {
        "released": {
            "loss": "ohem",
            "optimizer": {"name": "sgd", "decay_all": True},
            "lr_warmup": 0.0,
            "ema_decay": 0.0,
            "auxiliary_size": "image",
            "channels_last": False,
        }
    }
    ORDER = (
        *("recipe", "epochs", "batch_size", "loss", "enet_offset", "optimizer", "lr_warmup", "power", "ema_decay"),
        *("auxiliary_weight", "auxiliary_size", "channels_last", "initial", "distillation_weight", "gpus"),
    )

    recipe: Annotated[Literal["balanced", "released"], WITHOUT_EFFECT] = Field(
        "balanced",
        description="Defaults of the keys that are not given. `released`: loss, optimiser and sizes of FasterSeg's "
        "released code. `balanced`: trains rare classes too, within fewer steps.",
    )
    distillation_weight: Annotated[NotNegative, read_with("search.cosearch", True)] = Field(
        1.0, description="With `search.cosearch`: weight of the divergence from the co-searched network."
    )
