"""`python -m gateway --config FILE`, also installed as `tacita-gateway`."""

import sys

from tacita.service.run import missing_extra, run

__all__ = ["main"]


def main() -> int:
    """Run the gateway until it is told to stop."""
    try:
        from gateway.app import build  # noqa: PLC0415 (says in one sentence what is missing)
        from gateway.config import GatewayConfig  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return missing_extra("gateway", error)
    return run("gateway", GatewayConfig, build)


if __name__ == "__main__":
    sys.exit(main())
