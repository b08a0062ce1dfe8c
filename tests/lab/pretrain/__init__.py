"""Tests of the experiment on pre-training."""
