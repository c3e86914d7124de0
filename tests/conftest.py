"""Shared by all tests: one thread, so that parallel test processes do not fight for the cores."""

import torch

torch.set_num_threads(1)
