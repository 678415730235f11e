"""What the fault tests have in common: processes to kill, servers to stop, records to compare."""
