"""An error in the middle of a stage ends the process, although its loader processes ignore Python's signal to stop."""

import subprocess
import sys

PROGRAM = """
import sys
from lbt.config import AugmentationSettings, DataSettings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.layouts import list_samples

data = DataSettings.model_validate_json(sys.argv[1])
dataset = SegmentationDataset(list_samples(data, "train"), data, class_table(data))


class Plan:
    def __init__(self):
        options = {"crop": (32, 48), "batch_size": 2, "seed": 0, "steps": 50, "workers": 2}
        self.train = training_loader(dataset, data=data, augmentation=AugmentationSettings(), **options)
        self.itself = self  # a cycle, which is not freed before the process ends


plan = Plan()
next(plan.train)
raise ValueError("in the middle")
"""


def test_an_error_ends_the_process_and_its_loaders(cityscapes):
    command = [sys.executable, "-c", PROGRAM, cityscapes.model_dump_json()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1 and result.stderr.rstrip().endswith("ValueError: in the middle")
