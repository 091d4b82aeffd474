"""Prime-order groups for oblivious functions and credentials: P-256, P-384 and ristretto255."""
