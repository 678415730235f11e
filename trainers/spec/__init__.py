"""What a trial is, checked, with its defaults."""
