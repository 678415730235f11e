"""What a study file says, until it is a tuple of checked trials; pure."""
