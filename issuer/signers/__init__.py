"""Where issuing keys sign, when that is not in the issuer's own memory."""
