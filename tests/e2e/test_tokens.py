"""What becomes of a token, seen from outside, with each spent store: two uses are never two answers."""

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from support.asking import Client, request, request_head
from support.targets import Target, failing, hanging, plain

from tacita.bhttp import Response, ResponseHead
from tacita.client.errors import AnswerRefused
from tacita.privacypass import auth
from tacita.privacypass.token import Token
from tacita.privacypass.types import blind_rsa

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stub")]


def field(response: Response, name: bytes) -> bytes:
    (value,) = [value for key, value in response.head.fields if key == name]
    return value


async def ask(client: Client, token: Token | None) -> Response:
    """Send the one request of these tests, sealed afresh."""
    return await client.chunked(request(client.endpoints.target.url, token))


async def assert_spent(client: Client, token: Token) -> None:
    """Check that `token` is refused inside the encapsulation, with the challenge to get another."""
    refusal = await ask(client, token)
    assert refusal.head.status == 401
    assert field(refusal, b"content-type") == b"application/problem+json"
    assert json.loads(refusal.content)["status"] == 401
    value = field(refusal, b"www-authenticate")
    (offered,) = auth.parse_www_authenticate(value, token_types=[blind_rsa.TOKEN_TYPE])
    assert offered.challenge == client.trust.challenge
    assert offered.token_key is not None
    # The one that is signed with now; the next one is published, too.
    issuing = client.trust.issuing_key(time.time())
    assert blind_rsa.load_public_key(offered.token_key).key_id == issuing.key_id


async def test_a_token_is_taken_once(state: Path, target: Target) -> None:
    client = await Client.of(state)
    token = await client.token()
    answer = await ask(client, token)
    assert (answer.head.status, answer.content) == (200, b"an answer")
    await assert_spent(client, token)
    one_shot = await client.one_shot(request(client.endpoints.target.url, token))
    assert one_shot.head.status == 401
    assert len(target.received) == 1


async def test_of_many_uses_at_once_one_is_answered(state: Path, target: Target) -> None:
    client = await Client.of(state)
    token = await client.token()
    answers = await asyncio.gather(*(ask(client, token) for _ in range(12)))
    assert sorted(answer.head.status for answer in answers) == [200] + 11 * [401]
    assert len(target.received) == 1


async def test_no_token_and_a_forged_one_are_refused(state: Path, target: Target) -> None:
    client = await Client.of(state)
    token = await client.token()
    forged = Token(
        token.token_type,
        token.nonce,
        token.challenge_digest,
        token.token_key_id,
        bytes(byte ^ 1 for byte in token.authenticator),
    )
    assert (await ask(client, None)).head.status == 401
    await assert_spent(client, forged)
    assert not target.received
    # Nobody burns a token by knowing its nonce.
    assert (await ask(client, token)).head.status == 200


async def test_a_token_survives_two_failures_of_the_target(state: Path, target: Target) -> None:
    client = await Client.of(state)
    token = await client.token()
    target.answer = failing(2)
    statuses = [(await ask(client, token)).head.status for _ in range(3)]
    assert statuses == [500, 500, 200]
    await assert_spent(client, token)


async def test_a_token_is_spent_with_the_third_failure(state: Path, target: Target) -> None:
    client = await Client.of(state)
    token = await client.token()
    target.answer = failing(3)
    statuses = [(await ask(client, token)).head.status for _ in range(3)]
    assert statuses == [500, 500, 500]
    await assert_spent(client, token)
    assert len(target.received) == 3


async def test_the_client_repeats_by_itself_with_the_same_token(
    state: Path, target: Target, tmp_path: Path
) -> None:
    client = await Client.of(state)
    tokens = await client.tokens(1)
    target.answer = failing(2)
    async with (
        client.session(tmp_path / "wallet.sqlite", tokens) as session,
        session.send(request_head(client.endpoints.target.url)) as answer,
    ):
        assert answer.status == 200
        assert [piece async for piece in answer.pieces()] == [b"an answer"]
    assert len(target.received) == 3
    await assert_spent(client, tokens[0])


async def test_a_refusal_by_the_target_spends(state: Path, target: Target) -> None:
    client = await Client.of(state)
    token = await client.token()
    target.answer = plain(b"", status=404)
    assert (await ask(client, token)).head.status == 404
    await assert_spent(client, token)


@pytest.mark.parametrize("whole_head_only", [True, False])
async def test_a_token_does_not_survive_a_client_that_leaves_after_the_head(
    state: Path, target: Target, whole_head_only: bool
) -> None:
    client = await Client.of(state)
    token = await client.token()
    target.answer = hanging(b"the beginning")
    async with (
        client.exchange(request(client.endpoints.target.url, token)) as exchange,
        aclosing(exchange.events()) as events,
    ):
        head = await anext(events)
        assert isinstance(head, ResponseHead)
        assert head.status == 200
        if not whole_head_only:
            await anext(events)
    received = target.received[-1]
    await asyncio.wait_for(received.gone.wait(), 20)
    target.answer = plain()
    await assert_spent(client, token)


async def test_a_token_does_not_survive_a_client_that_leaves_before_the_head(
    state: Path, target: Target
) -> None:
    client = await Client.of(state)
    token = await client.token()
    target.answer = hanging()

    async def give_up() -> None:
        async with client.exchange(request(client.endpoints.target.url, token)):
            pass

    asking = asyncio.create_task(give_up())
    received = await asyncio.wait_for(target.arrived(), 20)
    asking.cancel()
    await asyncio.wait([asking])
    await asyncio.wait_for(received.gone.wait(), 20)
    target.answer = plain()
    await assert_spent(client, token)


async def test_a_token_survives_a_target_that_is_away(state: Path, target_port: int) -> None:
    client = await Client.of(state)
    token = await client.token()
    for _ in range(2):
        refusal = await ask(client, token)
        assert refusal.head.status == 502
        assert field(refusal, b"content-type") == b"application/problem+json"
    async with Target.at(target_port) as target:
        assert (await ask(client, token)).head.status == 200
        assert len(target.received) == 1
        await assert_spent(client, token)


async def test_the_client_says_that_the_target_is_away(state: Path, target_port: int, tmp_path: Path) -> None:
    client = await Client.of(state)
    tokens = await client.tokens(1)
    async with client.session(tmp_path / "wallet.sqlite", tokens) as session:
        with pytest.raises(AnswerRefused) as raised:
            async with session.send(request_head(client.endpoints.target.url)):
                pass
    assert raised.value.inner_status == 502
    async with Target.at(target_port):
        # The client itself has tried as often as the gateway gives tokens back.
        await assert_spent(client, tokens[0])
