"""This process and the system: signals, limits, variables, waits, and what it starts."""
