"""What a request costs: CPU time of real role processes under load, side by side in one run."""
