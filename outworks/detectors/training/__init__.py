"""Training: from a folder of public data to the weights that ship, and the figures in docs/detectors.md."""
