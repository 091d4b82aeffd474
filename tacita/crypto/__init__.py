"""Algorithms without protocol: HPKE, blind RSA, and the keys and engines that they need."""
