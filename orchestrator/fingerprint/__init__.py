"""Which code a trial's result depends on, and whether two results come from the same."""
