"""What the page and the report have in common: charts, tables, templates, styles, libraries."""
