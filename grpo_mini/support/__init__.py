"""Plumbing that has nothing to do with the algorithms; it imports nothing of the project."""
