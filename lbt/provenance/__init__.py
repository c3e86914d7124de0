"""What made which file: fingerprints of code, manifests, locks."""
