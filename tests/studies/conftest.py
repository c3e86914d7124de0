"""The studies use the reference for the search's gradients too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "search"))
