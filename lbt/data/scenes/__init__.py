"""Drawing of street scenes: canvas, things, composition."""
