"""Requests that are made before the load begins, kept in files, each used once."""
