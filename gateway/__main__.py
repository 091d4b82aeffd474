"""`python -m gateway --config FILE` and the command `key`, also installed as `tacita-gateway`."""

import sys

from tacita.service.run import missing_extra, run

__all__ = ["main"]


def main() -> int:
    """Run the gateway, or one of its commands; return the process's exit code."""
    try:
        from gateway import key_commands  # noqa: PLC0415 (without its extra the role says what is missing)
        from gateway.app import build  # noqa: PLC0415
        from gateway.config import GatewayConfig  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return missing_extra("gateway", error)
    if sys.argv[1:2] and sys.argv[1] in key_commands.NAMES:
        return key_commands.main(sys.argv[1:])
    return run("gateway", GatewayConfig, build, workers=True, epilog=key_commands.EPILOG)


if __name__ == "__main__":
    sys.exit(main())
