"""Runs a network's stages; each stage uses the results of the previous ones from MLflow."""
