"""How figures are written, everywhere alike."""

from loadtest.notation import seconds_text

__all__ = ["count", "percent", "rate", "time"]


def count(number: float) -> str:
    """A whole number, its thousands set apart."""
    return f"{number:,.0f}"


def rate(number: float) -> str:
    """So many a second."""
    return f"{number:,.0f}/s" if number >= 10 else f"{number:.2g}/s"


def percent(share: float) -> str:
    """A share of 1."""
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def time(seconds: float) -> str:
    """A duration, three digits and a unit; a dash where nothing was measured."""
    return seconds_text(seconds) if seconds else "-"
