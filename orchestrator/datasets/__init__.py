"""Data sets, from their published archives to the folders that trials read."""
