"""R1: a key, challenge or directory that only this client is shown is refused before anything is sent."""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st
from support.rsa import private_key
from support.worlds import World, served

from tacita.client.errors import SourcesDisagree
from tacita.client.trust import ChallengeDocumentMalformed, ChallengeUnsuitable, Trust, read_challenge
from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.errors import TacitaError
from tacita.net.documents import DocumentRefused
from tacita.net.upstream import UpstreamError
from tacita.ohttp import KeyConfig, keyconfig
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.directory import IssuerDirectory, TokenKey
from tacita.privacypass.errors import NoUsableKey, OriginNotListed
from tacita.privacypass.types.arc_challenge import CredentialChallenge
from tacita.wire import base64url

KINDS = {
    "gateway_keys": "application/ohttp-keys",
    "challenge": "application/json",
    "issuer_directory": "application/private-token-issuer-directory",
}


def document_of(challenge: TokenChallenge) -> bytes:
    return json.dumps({"challenge": base64url.encode(challenge.encode())}).encode()


def forged(kind: str) -> bytes:
    """Return a well-formed document of this kind that was made for one victim."""
    if kind == "gateway_keys":
        key = PrivateKey.derive(Kem.X25519, b"\1" * 64).public_key
        return keyconfig.encode_list([KeyConfig(1, Kem.X25519, key, ((Kdf.HKDF_SHA256, Aead.AES_128_GCM),))])
    if kind == "challenge":
        return document_of(TokenChallenge(2, "issuer.example", b"\7" * 32, ()))
    spki = private_key(7).public_key.spki
    return IssuerDirectory("https://issuer.example/token-request", (TokenKey(2, spki, 0),)).to_json()


def saying(body: bytes, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": media_type})

    return handler


async def test_two_honest_mirrors_agree(world: World) -> None:
    trust = await world.trust()
    assert trust.issuing_key(time.time()).key_id in trust.token_key_ids()
    assert trust.challenge.origin_info == (world.target.url.partition("://")[2],)


@pytest.mark.parametrize("party", ["relay", "mirror"])
@pytest.mark.parametrize("kind", list(KINDS))
async def test_a_split_view_is_refused_before_anything_is_sent(world: World, party: str, kind: str) -> None:
    # Without this mirror's document everything would go on: the forged one is good by itself.
    async with served(saying(forged(kind), KINDS[kind])) as origin:
        endpoints = world.with_documents(party, **{kind: f"{origin}/x"})
        with pytest.raises(SourcesDisagree):
            await Trust.fetch(endpoints, tries=2)
    assert world.target.received == []
    assert b'tokens_total{event="reserved"} 0.0' in world.gateway.metrics.render()
    assert not any(
        line.startswith(b"tacita_issuer_tokens") and not line.endswith(b" 0.0")
        for line in world.issuer.metrics.render().splitlines()
        if b"_created" not in line
    )


async def test_a_mirror_that_refreshes_a_moment_later_is_asked_again(world: World) -> None:
    asked = 0

    async def late(_request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == 1:
            return web.Response(body=forged("gateway_keys"), headers={"Content-Type": KINDS["gateway_keys"]})
        async with ClientSession() as session, session.get(world.endpoints.relay.gateway_keys) as response:
            return web.Response(body=await response.read(), headers={"Content-Type": KINDS["gateway_keys"]})

    async with served(late) as origin:
        trust = await Trust.fetch(world.with_documents("mirror", gateway_keys=f"{origin}/keys"))
    assert asked == 2
    assert trust == await world.trust()


@pytest.mark.parametrize("kind", list(KINDS))
async def test_what_both_agree_on_still_has_to_be_what_it_should(world: World, kind: str) -> None:
    async with (
        served(saying(b"\xffgarbage", KINDS[kind])) as first,
        served(saying(b"\xffgarbage", KINDS[kind])) as second,
    ):
        endpoints = world.with_documents("relay", **{kind: f"{first}/x"})
        mirror = msgspec.structs.replace(world.endpoints.mirror, **{kind: f"{second}/x"})
        with pytest.raises(TacitaError):
            await Trust.fetch(msgspec.structs.replace(endpoints, mirror=mirror))


async def test_a_challenge_for_another_origin_is_not_answered(world: World) -> None:
    target = msgspec.structs.replace(world.endpoints.target, url="https://other.example")
    with pytest.raises(OriginNotListed):
        await Trust.fetch(msgspec.structs.replace(world.endpoints, target=target))


async def test_an_error_page_is_no_document_and_an_absent_mirror_says_who(world: World) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="It works!")

    async with served(page) as origin:
        endpoints = world.with_documents("mirror", challenge=f"{origin}/x")
        with pytest.raises(DocumentRefused):
            await Trust.fetch(endpoints)
    with pytest.raises(UpstreamError, match=r"^The second mirror cannot be reached"):
        await Trust.fetch(endpoints)


async def test_a_key_of_the_future_is_not_used(world: World) -> None:
    with pytest.raises(NoUsableKey):
        (await world.trust()).issuing_key(0)


@pytest.mark.parametrize(
    "challenge",
    [TokenChallenge(1, "issuer.example"), TokenChallenge(2, "issuer.example", b"\0" * 32)],
    ids=["another type", "bound to a context"],
)
def test_a_challenge_that_would_single_somebody_out(challenge: TokenChallenge) -> None:
    with pytest.raises(ChallengeUnsuitable):
        read_challenge(document_of(challenge))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"challenge": 5}', b"[" * 100_000, b'"challenge"'])
def test_no_challenge_document(body: bytes) -> None:
    with pytest.raises(ChallengeDocumentMalformed):
        read_challenge(body)


def test_round_trip_of_a_challenge_document() -> None:
    challenge = TokenChallenge(2, "issuer.example", b"", ("gateway.example",))
    assert read_challenge(document_of(challenge)) == challenge


OURS = TokenChallenge(2, "issuer.example", b"", ("gateway.example",))
OTHERS = TokenChallenge(2, "other.example", b"", ("gateway.example",))
UNKNOWN = TokenChallenge(0xDA7A, "issuer.example", b"", ("gateway.example",))
OF_CREDENTIALS = CredentialChallenge(TokenChallenge(0xE5AC, "issuer.example", b"", ("gateway.example",)))


def list_of(*challenges: TokenChallenge | CredentialChallenge) -> bytes:
    listed = [{"challenge": base64url.encode(one.encode()), "rate-limit": 3} for one in challenges]
    return json.dumps({"challenge": base64url.encode(OTHERS.encode()), "challenges": listed}).encode()


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        ([OURS], OURS),
        ([OTHERS, OURS], OURS),
        ([UNKNOWN, OF_CREDENTIALS, OTHERS, OURS], OURS),
        ([UNKNOWN, OTHERS], OTHERS),
    ],
)
def test_of_several_challenges_it_is_that_of_our_issuer(
    listed: list[TokenChallenge], chosen: TokenChallenge
) -> None:
    assert read_challenge(list_of(*listed), "issuer.example") == chosen


@pytest.mark.parametrize(
    "listed",
    [[UNKNOWN, OF_CREDENTIALS], [OTHERS, TokenChallenge(2, "third.example")]],
    ids=["type", "issuer"],
)
def test_of_several_challenges_none_is_ours(listed: list[TokenChallenge]) -> None:
    with pytest.raises(ChallengeUnsuitable):
        read_challenge(list_of(*listed), "issuer.example")


@pytest.mark.parametrize("listed", [[], [5], ["x"], [{}], {}, 5, None, [{"challenge": 5}]])
def test_no_list_of_challenges(listed: object) -> None:
    with pytest.raises(ChallengeDocumentMalformed):
        read_challenge(json.dumps({"challenge": "AAI=", "challenges": listed}).encode())


def test_a_list_of_challenges_is_bounded() -> None:
    assert read_challenge(list_of(*[OURS] * 16), "issuer.example") == OURS
    with pytest.raises(ChallengeDocumentMalformed):
        read_challenge(list_of(*[OURS] * 17), "issuer.example")


async def test_the_challenge_of_the_directorys_issuer_is_taken(world: World) -> None:
    trust = await world.trust()
    body = json.dumps(
        {
            "challenge": base64url.encode(OTHERS.encode()),
            "challenges": [
                {"challenge": base64url.encode(one.encode())} for one in (OTHERS, trust.challenge)
            ],
        }
    ).encode()
    async with (
        served(saying(body, "application/json")) as one,
        served(saying(body, "application/json")) as two,
    ):
        endpoints = world.with_documents("relay", challenge=f"{one}/x")
        mirror = msgspec.structs.replace(world.endpoints.mirror, challenge=f"{two}/x")
        assert await Trust.fetch(msgspec.structs.replace(endpoints, mirror=mirror)) == trust


@given(
    st.binary()
    | st.text().map(lambda text: json.dumps({"challenge": text}).encode())
    | st.lists(st.text() | st.fixed_dictionaries({"challenge": st.text() | st.integers()})).map(
        lambda listed: json.dumps({"challenges": listed}).encode()
    )
)
def test_any_bytes_are_a_challenge_or_an_error_of_the_tree(body: bytes) -> None:
    with suppress(TacitaError):
        read_challenge(body)
