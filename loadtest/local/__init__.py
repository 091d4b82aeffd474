"""A deployment of the harness's own, and faults in it."""
