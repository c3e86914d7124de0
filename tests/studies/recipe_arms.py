"""The recipes of retraining that the study compares, as settings of `retrain`."""

from __future__ import annotations

from typing import Any

SGD = {"recipe": "released", "optimizer": {"lr": 0.05}}
"""The settings of both configurations before the recipes."""
ENET = SGD | {"loss": "enet", "enet_offset": 1.1}
STEPS = {"name": "adamw", "lr": 3.0e-3, "weight_decay": 1.0e-2}
ADAMW = ENET | {"optimizer": STEPS, "lr_warmup": 0.05}
NO_NORM_DECAY = ADAMW | {"optimizer": STEPS | {"decay_all": False}}
FAST = NO_NORM_DECAY | {"auxiliary_size": "head", "channels_last": True}
EMA = FAST | {"ema_decay": 0.99}
ARMS: dict[str, dict[str, Any]] = {
    "released": SGD,
    "with enet": ENET,
    "with adamw": ADAMW,
    "with no norm decay": NO_NORM_DECAY,
    "with head size and channels last": FAST,
    "with ema": EMA,
    "loss: ohem": EMA | {"loss": "ohem"},
    "loss: cross_entropy": EMA | {"loss": "cross_entropy"},
    "loss: median_frequency": EMA | {"loss": "median_frequency"},
    "lr: 0.001": EMA | {"optimizer": STEPS | {"decay_all": False, "lr": 1.0e-3}},
    "lr: 0.01": EMA | {"optimizer": STEPS | {"decay_all": False, "lr": 1.0e-2}},
    "auxiliary_weight: 0": EMA | {"auxiliary_weight": 0.0},
    "enet_offset: 1.02": EMA | {"enet_offset": 1.02},
    "batch_size: 4": EMA | {"batch_size": 4},
    "crop: whole": EMA | {"batch_size": 4},
    "batch 4, offset 1.02": EMA | {"batch_size": 4, "enet_offset": 1.02},
    "initial: supernet": EMA | {"batch_size": 4, "enet_offset": 1.02, "initial": "supernet"},
    "distilled": EMA | {"batch_size": 4, "enet_offset": 1.02, "initial": "supernet"},
}
"""Settings of `retrain` by arm. Up to `with ema` each adds to the one before; the others change `with ema`, and the
last two the arm before them. `distilled` also learns from the same network at the largest width, with the supernet's
weights."""
SPEEDS: dict[str, dict[str, Any]] = {
    "only head size": NO_NORM_DECAY | {"auxiliary_size": "head"},
    "only channels last": NO_NORM_DECAY | {"channels_last": True},
}
"""Settings whose steps are timed, but which are not trained."""
AUGMENTED: dict[str, dict[str, Any]] = {"crop: whole": {"crop": (128, 256)}}
"""Augmentation of an arm on the scenes."""
OF_CAMVID = (
    "released",
    "with enet",
    "with head size and channels last",
    "with ema",
    "batch 4, offset 1.02",
)
