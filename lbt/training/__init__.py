"""Training of one network: losses, optimisers, the stage that retrains."""
