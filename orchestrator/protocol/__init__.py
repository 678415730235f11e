"""Stages that feed stages: a stage is made from what MLflow has of the one before."""
