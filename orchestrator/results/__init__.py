"""What one does with recorded cells: publish their matrix, export their networks."""
