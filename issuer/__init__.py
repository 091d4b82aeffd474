"""The issuer: knows that you may have tokens, never what for."""
