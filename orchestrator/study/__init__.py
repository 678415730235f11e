"""Reads a study file and turns it into a tuple of checked trials; pure."""
