"""The issuer: knows that you may have tokens, never what for.

`create_app` is what another application mounts (docs/issuer.md, Embedding).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from issuer.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    # At first use: `python -m issuer` passes here, and has to say by itself which extra is missing.
    if name == "create_app":
        from issuer.app import create_app  # noqa: PLC0415

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
