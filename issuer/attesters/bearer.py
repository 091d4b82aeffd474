"""The credential in `Authorization: Bearer …` (RFC 6750, Section 2.1), whatever it is made of."""

from multidict import MultiMapping

from issuer.errors import CredentialMissing, CredentialRefused

__all__ = ["bearer_credential"]


def bearer_credential(headers: MultiMapping[str], *, longest: int) -> str:
    """Return the one bearer credential in `headers`: ASCII, not empty, at most `longest` characters.

    Raises:
        CredentialMissing: there is no Authorization field.
        CredentialRefused: there are several, or it is of another scheme, too long, or not ASCII.
    """
    values = headers.getall("Authorization", [])
    if not values:
        raise CredentialMissing
    scheme, _, credential = values[0].partition(" ")
    credential = credential.strip(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not 0 < len(credential) <= longest:
        raise CredentialRefused
    if not credential.isascii():
        raise CredentialRefused
    return credential
