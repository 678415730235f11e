"""The training loop and its parts; they get built objects, never specs or tables."""
