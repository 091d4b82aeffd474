"""The gateway's key configurations, as they are published (RFC 9458, Section 3; RFC 9540)."""

from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.plain import require_status
from tacita.client.doctor.subject import GATEWAY_PATH
from tacita.client.doctor.verdicts import NotApplicable, Untried, Wrong
from tacita.errors import DecodeError, LimitExceeded
from tacita.net.urls import origin_of
from tacita.ohttp import KeyConfig, media

__all__ = ["CHECKS"]


@check(
    "gateway.discovery",
    "GET at the gateway's well-known path gives key configurations",
    "RFC 9540, Section 4",
)
async def _discovery(case: Case) -> None:
    gateway = case.subject.gateway
    if gateway is None:
        raise NotApplicable("The gateway itself is not examined.")
    answer = await case.get(origin_of(gateway) + GATEWAY_PATH)
    if answer.status == 404 and not gateway.endswith(GATEWAY_PATH):
        raise NotApplicable("The gateway takes messages at another path, and does not offer discovery.")
    require_status(answer, 200)
    if answer.media_type != media.KEYS:
        raise Wrong(f"It answered 200 with another media type than {media.KEYS}.")


@check(
    "gateway.key-list",
    "the list of key configurations is one, to its last byte",
    "RFC 9458, Section 3.2",
)
async def _list(case: Case) -> str:
    answer = await case.document("gateway_keys")
    if answer.media_type != media.KEYS:
        raise Wrong(f"The list has another media type than {media.KEYS}.")
    if answer.value("content-encoding"):
        raise Wrong("The list has a content coding that nobody asked for.")
    configs = await case.configs()
    return f"{len(configs)} that this client can read"


@check("gateway.key-ids", "no two key configurations have one key id", "RFC 9458, Section 3.1")
async def _ids(case: Case) -> None:
    ids = [config.key_id for config in await _readable(case)]
    if len(set(ids)) != len(ids):
        raise Wrong("Two key configurations have the same key id; only trial decryption could tell.")


@check(
    "gateway.suites",
    "a key configuration offers a suite that is widely known",
    "RFC 9458, Section 3.1",
)
async def _suites(case: Case) -> str:
    offered = {suite for config in await _readable(case) for suite in config.suites}
    if not offered:
        raise Wrong("No key configuration offers a KEM, KDF and AEAD that this client knows.")
    return ", ".join(sorted({f"{suite.kem.name}/{suite.aead.name}" for suite in offered}))


async def _readable(case: Case) -> tuple[KeyConfig, ...]:
    try:
        return await case.configs()
    except (DecodeError, LimitExceeded):
        raise Untried("The list of key configurations cannot be read.") from None


CHECKS: tuple[Check, ...] = (_discovery, _list, _ids, _suites)
