"""Plans a sweep: which cells remain, which stems they share, what they cost; pure."""
