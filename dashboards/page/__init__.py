"""A web page on the results, live while a sweep runs; it reads MLflow only."""
