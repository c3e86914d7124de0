"""Learning by Teaching: search for fast semantic-segmentation networks."""

__version__ = "0.1.0"
