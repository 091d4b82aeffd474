"""Token types, one module each, all with `request`, `issue`, `finalize` and `verify`."""
