"""Experiments: what the course measures, as commands."""
