"""Around any loop: device, seeds, processes, signals, progress, checkpoints."""
