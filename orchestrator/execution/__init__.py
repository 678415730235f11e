"""Runs one sweep: rounds, listener, leases and progress."""
