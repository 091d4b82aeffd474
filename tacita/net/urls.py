"""Taking URLs apart, once and in one way: http and https, one spelling for each origin."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from tacita.errors import ConfigError

__all__ = ["is_local", "origin_of", "split"]

_VISIBLE = re.compile(r"[!-~]+")
"""What a URL is written in (RFC 3986, Section 2): `urlsplit` would drop or keep anything else in silence."""

_HOST = re.compile(r"[0-9A-Za-z._~%!$&'()*+,;=:-]+")


def origin_of(url: str) -> str:
    """Return `url` without anything behind its authority: an origin of RFC 6454, default ports left out.

    Raises:
        ConfigError: it is not an http or https URL, or has user information, query or fragment.
    """
    origin, path_and_query = split(url)
    if "?" in path_and_query:
        raise ConfigError(
            "A URL in the configuration has user information, a query or a fragment; remove it."
        )
    return origin


def split(url: str) -> tuple[str, str]:
    """Return the origin of `url` and its path with query, `/` for none.

    Raises:
        ConfigError: it is not an http or https URL, or has user information or a fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("A URL in the configuration cannot be parsed.") from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not _VISIBLE.fullmatch(url) or not _HOST.fullmatch(host):
        raise ConfigError("A URL in the configuration is not an http or https URL with a host.")
    if "@" in parts.netloc or "#" in url:
        raise ConfigError(
            "A URL in the configuration has user information, a query or a fragment; remove it."
        )
    origin = f"{parts.scheme}://[{host}]" if ":" in host else f"{parts.scheme}://{host}"
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        origin += f":{port}"
    path = parts.path or "/"
    return origin, f"{path}?{parts.query}" if parts.query else path


def is_local(url: str) -> bool:
    """Whether the host of `url` is this machine by its loopback address, or its name `localhost`."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
