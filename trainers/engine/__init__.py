"""The training loop and what it needs; sees objects, never specs or tables."""
