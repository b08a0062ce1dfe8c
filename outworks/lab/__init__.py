"""The lab: align a real model, break it, harden it, and measure both quantities on one checkpoint."""
