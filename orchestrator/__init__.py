"""Studies, their expansion into trials, and what schedules and records them."""
