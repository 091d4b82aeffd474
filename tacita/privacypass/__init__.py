"""Privacy Pass: challenges, tokens, one module for each token type, batches and the issuer directory."""
