"""The node: knows what is asked, never who asks, and keeps nothing."""
