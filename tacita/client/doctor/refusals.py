"""What the gateway says to a message that it cannot open: one constant answer (RFC 9458, Section 6.4).

Whoever can tell an unknown key from a known one, or a bad tag from a bad length, can try keys and
learn of their turning over. Each kind of failure is sent in both forms of the protocol.
"""

import secrets
from functools import partial

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, Look, check
from tacita.client.doctor.plain import require_problem, require_status
from tacita.client.doctor.sealing import CHUNKED, ONE_SHOT
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.client.doctor.visitor import Answer
from tacita.errors import TacitaError
from tacita.net.message import Fields
from tacita.ohttp import KeyConfig, oneshot
from tacita.ohttp.chunked import RequestSealer
from tacita.ohttp.exchange import HEADER_SIZE

__all__ = ["CHECKS", "FAILURES", "refusal", "require_chunked"]

_TYPE = "https://iana.org/assignments/http-problem-types#ohttp-key"

FAILURES = ("unknown-key", "suite", "undecryptable", "malformed")

_UNKNOWN_AEAD = b"\x7f\x7f"

_VARYING = frozenset({b"date", b"connection", b"keep-alive"})
"""Fields that differ with the time or the connection."""


async def refusal(case: Case, url: str, failure: str, form: Fields) -> Answer:
    """Return the answer of `url` to a message that fails in this way. Raises as `Visitor.ask`."""

    async def make() -> Answer:
        config = await case.config()
        listed = {one.key_id for one in await case.configs()}
        body = _broken(config, listed, failure, chunked=form is CHUNKED)
        return await case.visitor.ask("POST", url, form, body)

    return await case.once(f"{failure} {form is CHUNKED} {url}", make)


async def require_chunked(case: Case, url: str) -> None:
    """Return if the chunked form is taken at `url`, whatever is said of a message in it.

    Raises:
        NotApplicable: its media type is refused.
    """
    if (await refusal(case, url, "malformed", CHUNKED)).status == 415:
        raise NotApplicable("The chunked form is not taken, which is what Tacita's clients use.")


async def _forms(case: Case) -> list[Fields]:
    try:
        await require_chunked(case, case.messages())
    except NotApplicable:
        return [ONE_SHOT]
    return [ONE_SHOT, CHUNKED]


def _broken(config: KeyConfig, listed: set[int], failure: str, *, chunked: bool) -> bytes:
    if chunked:
        sealer = RequestSealer(config)
        message = bytearray(sealer.header() + sealer.finish(bytes(64)))
    else:
        message = bytearray(oneshot.encapsulate_request(config, bytes(64))[0])
    match failure:
        case "unknown-key":
            message[0] = secrets.choice([number for number in range(256) if number not in listed])
        case "suite":
            message[HEADER_SIZE - len(_UNKNOWN_AEAD) : HEADER_SIZE] = _UNKNOWN_AEAD
        case "undecryptable":
            message[-1] ^= 1
        case _:
            # Inside the encapsulated key, which begins behind the header.
            del message[HEADER_SIZE + 3 :]
    return bytes(message)


async def _is_refused(failure: str, case: Case) -> None:
    for form in await _forms(case):
        answer = require_status(await refusal(case, case.messages(), failure, form), 422)
        require_problem(422, answer.media_type, answer.body, problem_type=_TYPE)


@check(
    "gateway.one-refusal",
    "all messages that cannot be opened get the very same answer",
    "RFC 9458, Section 6.4",
)
async def _constant(case: Case) -> str:
    seen: dict[object, str] = {}
    forms = await _forms(case)
    for failure in FAILURES:
        for form in forms:
            try:
                answer = await refusal(case, case.messages(), failure, form)
            except Untried:
                raise
            except TacitaError:
                raise Untried("Not all of them were answered.") from None
            fields = tuple(sorted(one for one in answer.fields if one[0] not in _VARYING))
            seen.setdefault((answer.status, fields, answer.body), failure)
    if len(seen) > 1:
        raise Wrong(f"It can be told apart from others whether it was {' or '.join(seen.values())}.")
    return f"{len(forms) * len(FAILURES)} answers, byte for byte alike"


def _look(failure: str) -> Look:
    return partial(_is_refused, failure)


_CLAUSE = "RFC 9458, Section 6.4"

CHECKS: tuple[Check, ...] = (
    Check("gateway.unknown-key", "an unknown key id gets 422 ohttp-key", _CLAUSE, _look("unknown-key")),
    Check("gateway.suite", "a suite that is not offered gets 422 ohttp-key", _CLAUSE, _look("suite")),
    Check(
        "gateway.undecryptable",
        "an altered ciphertext gets 422 ohttp-key",
        _CLAUSE,
        _look("undecryptable"),
    ),
    Check("gateway.malformed", "a message that is cut gets 422 ohttp-key", _CLAUSE, _look("malformed")),
    _constant,
)
