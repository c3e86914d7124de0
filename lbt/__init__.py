"""Learning by Teaching: search for fast semantic-segmentation networks.

```python
import lbt
network = lbt.load_network("results/default/best/network.pt")
labels = network("street.jpg")
```
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["SegmentationNetwork", "load_network"]

# Names instead of import statements, because every module of the package imports this one. With import statements each
# command would load PyTorch, and the fingerprint of each stage would include the code of the network.
_MODULES = {"SegmentationNetwork": "lbt.inference.segmentation_network", "load_network": "lbt.inference.network_file"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
