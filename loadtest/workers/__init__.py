"""The load processes, and their parent's side."""
