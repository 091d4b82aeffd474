"""Taking URLs apart, once and in one way."""

from urllib.parse import urlsplit

__all__ = ["split"]


def split(url: str) -> tuple[str, str]:
    """Return the origin of `url` and its path with query, `/` for none."""
    parts = urlsplit(url)
    path = parts.path or "/"
    return f"{parts.scheme}://{parts.netloc}", f"{path}?{parts.query}" if parts.query else path
