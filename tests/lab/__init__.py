"""The lab, on models small enough to train inside a test."""
