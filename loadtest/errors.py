"""Why a run was not begun, or not finished. Each sentence is for the operator who runs the tool."""

from tacita.errors import ConfigError, TacitaError

__all__ = [
    "AddressRefused",
    "ClocksApart",
    "FaultRefused",
    "GoalMalformed",
    "LoadError",
    "OutOfTokens",
    "PreparedUnusable",
    "ReportUnusable",
    "TargetDown",
    "TargetRefuses",
    "UsageError",
    "WorkerDied",
]


class LoadError(TacitaError):
    """Anything that keeps a run from being what was asked for."""


class UsageError(ConfigError):
    """An argument means nothing, or two of them contradict each other."""


class GoalMalformed(UsageError):
    """A goal is not written in the language of goals."""


class AddressRefused(LoadError):
    """The load would go to a machine that nobody said is theirs."""


class TargetDown(LoadError):
    """Nobody answers at the target."""


class TargetRefuses(LoadError):
    """The target answers, and takes nothing."""


class ClocksApart(LoadError):
    """The clock of the target, or of this machine, is wrong."""

    clause = "RFC 9458, Section 6.5.2"


class OutOfTokens(LoadError):
    """The account has no tokens left for what was asked for."""


class PreparedUnusable(LoadError):
    """A file of prepared requests cannot be used any more, or never could."""


class ReportUnusable(ConfigError):
    """A report cannot be read, or not be written."""


class FaultRefused(LoadError):
    """A fault was asked for that this deployment cannot be given."""


class WorkerDied(LoadError):
    """A load process or a preparing process ended by itself."""
