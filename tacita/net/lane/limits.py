"""What one connection of the fast lane may take. Sizes in bytes, times in seconds."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit has a default, and every default a precedent."""

    # node.js: --max-http-header-size 16 KiB; nginx: large_client_header_buffers 4 of 8k.
    head_bytes: int = 16 << 10
    # Apache: LimitRequestFields 100.
    head_fields: int = 100
    # Apache's mod_reqtimeout: header=20-40, from the first byte to the last.
    head_seconds: float = 30.0
    # nginx: client_body_timeout and send_timeout 60s, each between two operations.
    piece_seconds: float = 60.0
    # nginx: keepalive_timeout 75s.
    idle_seconds: float = 75.0
    # nginx: lingering_timeout 5s.
    linger_seconds: float = 5.0
    # asyncio: the default high-water mark of a transport's write buffer.
    window: int = 64 << 10
    # Some 100 MB of TLS sessions; nginx's worker_connections (512) is meant to be raised.
    connections: int = 10_240
