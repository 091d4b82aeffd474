"""Engines behind `tacita.crypto.signer.Signer`: one way each to raise to the private exponent."""
