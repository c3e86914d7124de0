"""The oracle of the search's gradients serves the studies too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "search"))
