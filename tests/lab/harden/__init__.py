"""Tests of the hardenings."""
