"""`python -m issuer --config FILE`, the commands `account`, `invite` and `key`, and `--engines`."""

import sys

from tacita.service.run import missing_extra, run

__all__ = ["main"]


def main() -> int:
    """Run the issuer, or one of its commands; return the process's exit code."""
    try:
        from issuer import commands, engines  # noqa: PLC0415 (without its extra the role says what is missing)
        from issuer.app import build  # noqa: PLC0415
        from issuer.config import IssuerConfig  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return missing_extra("issuer", error)
    if sys.argv[1:2] and sys.argv[1] in commands.NAMES:
        return commands.main(sys.argv[1:])
    if engines.OPTION in sys.argv[1:]:
        return engines.main(sys.argv[1:])
    return run("issuer", IssuerConfig, build, workers=True, epilog=commands.EPILOG)


if __name__ == "__main__":
    sys.exit(main())
