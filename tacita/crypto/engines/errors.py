"""What an engine raises. `tacita.crypto.signer` offers these names to everybody else."""

from tacita.errors import ConfigError, CryptoError, TacitaError

__all__ = ["SignerUnreachable", "SigningFailed", "SigningUnavailable"]


class SigningFailed(CryptoError):
    """The private key operation went wrong, or its result does not verify. Nothing was released."""

    status = 500
    clause = "RFC 9474, Section 4.3"


class SigningUnavailable(ConfigError):
    """No engine on this machine can sign with a private key."""


class SignerUnreachable(TacitaError):
    """The device that holds the key does not answer. Nothing was released; the next call may reach it."""

    status = 503
    passing = True
    clause = "RFC 9474, Section 4.3"
