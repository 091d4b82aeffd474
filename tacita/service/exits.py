"""The exit codes of a role, after sysexits.h. 0: it was told to end. 2: wrong usage."""

from tacita.errors import TacitaError

__all__ = ["EXIT_CONFIG", "EXIT_TEMPORARY", "EXIT_WORKERS", "exit_code"]

EXIT_CONFIG = 78
"""EX_CONFIG: a supervisor should not restart what cannot be configured, or has a wrong clock."""

EXIT_TEMPORARY = 75
"""EX_TEMPFAIL: what the role needs is away; a supervisor should start it again, a little later."""

EXIT_WORKERS = 70
"""EX_SOFTWARE: workers keep ending."""


def exit_code(error: TacitaError) -> int:
    """Return the exit code of a process that ends with `error`."""
    return EXIT_TEMPORARY if error.passing else EXIT_CONFIG
