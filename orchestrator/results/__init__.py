"""Uses recorded cells: publishes their matrix, exports their networks."""
