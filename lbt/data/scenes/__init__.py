"""Synthetic street scenes in the Cityscapes layout: canvas, objects, composition, files."""
