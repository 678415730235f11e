"""The specification of a trial: its parts, defaults and checks."""
