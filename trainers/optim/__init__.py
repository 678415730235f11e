"""Optimizers, learning rates, and their policies."""
