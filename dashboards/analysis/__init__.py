"""Views of a study beside its matrix: pure functions from recorded cells to tables."""
