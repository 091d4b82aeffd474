"""The `tacita` command."""
