"""Which cells are left, which beginnings they share, what they cost; pure."""
