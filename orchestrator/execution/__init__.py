"""One sweep: its rounds, its listener, its leases, its progress."""
