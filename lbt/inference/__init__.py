"""Use of a finished network: its file, predictions, ONNX export."""
