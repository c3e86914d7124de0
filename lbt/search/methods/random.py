"""The control: the supernet trains as in the other methods, but the architecture never moves.

Its genotypes are drawn at random at the latency of a searched one (see `lbt.derivation.derive`).
"""

from __future__ import annotations

from lbt.search.method import Method

METHOD = Method("random", architecture_gradient=None)
