"""Cityscapes label ids of the objects in a street scene."""

from lbt.data.classes import CITYSCAPES_LABELS

_IDS = {label.name: label.id for label in CITYSCAPES_LABELS}

EGO = _IDS["ego vehicle"]
STATIC = _IDS["static"]
ROAD = _IDS["road"]
SIDEWALK = _IDS["sidewalk"]
BUILDING = _IDS["building"]
FENCE = _IDS["fence"]
POLE = _IDS["pole"]
SIGN = _IDS["traffic sign"]
VEGETATION = _IDS["vegetation"]
TERRAIN = _IDS["terrain"]
SKY = _IDS["sky"]
PERSON = _IDS["person"]
CAR = _IDS["car"]
