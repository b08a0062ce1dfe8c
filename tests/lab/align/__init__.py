"""Alignment, on a model small enough to train inside a test."""
