"""Plumbing that has nothing to do with the algorithms: files, errors, measuring."""
