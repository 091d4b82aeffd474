"""`tacita-issuer --engines`: which signing engines this machine has, and how fast each one signs.

    tacita-issuer --engines [--json] [--config FILE]

Batches of 100 on one thread, each signature checked, with a key that is made for it and thrown away;
with the configuration of an issuer whose keys are in an HSM, that is measured, too.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from issuer.config import IssuerConfig
from issuer.signers.choice import process_of
from issuer.signers.config import HsmTable
from tacita.crypto.engines.survey import EngineReport, measure, survey
from tacita.errors import TacitaError
from tacita.service.config import load
from tacita.service.run import EXIT_CONFIG

__all__ = ["OPTION", "main"]

OPTION = "--engines"


def main(arguments: Sequence[str], *, seconds: float = 1.0) -> int:
    """Measure each engine for `seconds` and print what came out; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tacita-issuer", description="Print the signing engines of this machine and their speed."
    )
    parser.add_argument(OPTION, action="store_true", required=True, help="this")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="measure the HSM of this configuration, too"
    )
    options = parser.parse_args(arguments)
    try:
        hsm = load(options.config, IssuerConfig).signer.hsm if options.config else None
        reports = [*survey(seconds=seconds), _hsm(hsm, seconds)]
    except TacitaError as error:
        sys.stderr.write(f"tacita-issuer: {error}\n")
        return EXIT_CONFIG
    lines = [_dump(reports)] if options.json else _table(reports)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _hsm(table: HsmTable | None, seconds: float) -> EngineReport:
    if table is None:
        return EngineReport("pkcs11", None, "No HSM is configured; give --config FILE to measure one.")
    label = f"{table.label_prefix}.{secrets.token_hex(16)}"
    process = process_of(table)
    try:
        process.generate(label)
        try:
            return EngineReport("pkcs11", measure(process.signer(label), seconds=seconds))
        finally:
            process.destroy(label)
    except TacitaError as error:
        return EngineReport("pkcs11", None, str(error))
    finally:
        process.close()


def _auto(reports: Sequence[EngineReport]) -> str | None:
    """Return what `engine = "auto"` takes: the first that can sign with keys in memory."""
    return next((one.name for one in reports if one.per_second is not None and one.name != "pkcs11"), None)


def _dump(reports: Sequence[EngineReport]) -> str:
    engines = [
        {
            "name": one.name,
            "signatures_per_second": None if one.per_second is None else round(one.per_second),
            "missing": one.missing or None,
        }
        for one in reports
    ]
    return json.dumps({"auto": _auto(reports), "engines": engines}, separators=(",", ":"))


def _table(reports: Sequence[EngineReport]) -> Iterator[str]:
    auto = _auto(reports)
    yield f"{'engine':12}{'signatures/s':>12}"
    for one in reports:
        if one.per_second is None:
            yield f"{one.name:12}{'-':>12}  {one.missing}"
        else:
            yield f"{one.name:12}{one.per_second:12,.0f}" + ("  auto" if one.name == auto else "")
