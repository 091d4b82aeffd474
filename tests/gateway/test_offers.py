"""Several issuers at one gateway: whose token it is, what is published, and one of them that is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support import raw_http, rsa
from support.gateways import AUTHORITY, Gateway, Place, gateway_running, get, problem_of
from support.ports import free_port
from support.tokens import minted

from gateway.config import GatewayConfig, IssuerConfig, TokenBudget
from gateway.issuers import IssuerKeys
from gateway.offers import offers_of
from gateway.publish import challenge_document
from tacita.bhttp import Field
from tacita.errors import ConfigError
from tacita.privacypass import auth
from tacita.privacypass.challenge import TokenChallenge
from tacita.privacypass.errors import ChallengeMalformed
from tacita.service.config import load
from tacita.service.logs import Logger
from tacita.wire import base64url

FIRST = minted("blind-rsa")
SECOND = minted("blind-rsa", "second.example", number=1)


def second(port: int, more: str = "") -> str:
    """Return the table of another issuer."""
    return f"""
        refresh_seconds = 0.05
        [[issuers]]
        name = "second.example"
        directory = "http://127.0.0.1:{port}/directory"
        refresh_seconds = 0.05
        {more}"""


class Mirror(Place):
    """The mirror of the second issuer. While it is `away` it breaks off every connection."""

    away = False

    async def mirror(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            raise ConnectionAbortedError
        await super().mirror(reader, writer)


@asynccontextmanager
async def another(place: Place, *, away: bool = False) -> AsyncIterator[Mirror]:
    """Run the mirror of the second issuer."""
    mirror = Mirror(place.folder, place.target, token_keys=(SECOND.key,))
    mirror.away = away
    async with raw_http.serving(mirror.mirror) as mirror.directory_port:
        yield mirror


async def known(gateway: Gateway, paid: Field) -> int:
    """Return the status that `paid` gets, once its issuer is known."""
    while (found := (await gateway.ask(get(paid))).head.status) == 503:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return found


async def test_tokens_of_two_issuers_are_taken_and_each_once(place: Place) -> None:
    async with (
        another(place) as mirror,
        gateway_running(place, issuer=second(mirror.directory_port)) as gateway,
    ):
        paid = [FIRST.token(), SECOND.token()]
        assert await known(gateway, paid[1]) == 200
        assert (await gateway.ask(get(paid[0]))).head.status == 200
        assert [(await gateway.ask(get(one))).head.status for one in paid] == [401, 401]
        assert len(place.target.heads) == 2


async def test_a_key_of_one_issuer_is_none_of_the_other(place: Place) -> None:
    """Each issuer signs for its own challenge only, whoever has blinded what."""
    crossed = minted("blind-rsa", "second.example", number=0)
    async with (
        another(place) as mirror,
        gateway_running(place, issuer=second(mirror.directory_port)) as gateway,
    ):
        paid = crossed.token()
        assert await known(gateway, paid) == 401
        assert not place.target.heads


async def test_an_issuer_that_is_away_takes_no_other_with_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    # It waits until it is ready.
    async with (
        another(place, away=True) as mirror,
        gateway_running(place, issuer=second(mirror.directory_port)) as gateway,
    ):
        assert (await gateway.ask(get(FIRST.token()))).head.status == 200
        paid = SECOND.token()
        found, fields, _ = problem_of(await gateway.ask(get(paid)))
        assert found == 503
        assert b"www-authenticate" not in dict(fields)
        mirror.away = False
        assert await known(gateway, paid) == 200
        # Away again: the last good copy stays in use.
        mirror.away = True
        assert (await gateway.ask(get(SECOND.token()))).head.status == 200
        assert len(place.target.heads) == 3
    failed = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "directory_failed" in line]
    assert {one["issuer"] for one in failed} == {2}


async def test_the_first_issuer_may_be_the_one_that_is_away(place: Place) -> None:
    place.directory_port = free_port()
    async with (
        another(place) as mirror,
        gateway_running(place, issuer=second(mirror.directory_port)) as gateway,
    ):
        assert (await gateway.ask(get(SECOND.token()))).head.status == 200
        assert (await gateway.ask(get(FIRST.token()))).head.status == 503


async def test_every_challenge_is_shown_and_published_in_the_order_of_the_configuration(place: Place) -> None:
    more = 'token_types = ["partially-blind-rsa", "blind-rsa"]'
    async with (
        another(place) as mirror,
        gateway_running(place, issuer=second(mirror.directory_port, more)) as gateway,
    ):
        _, fields, _ = problem_of(await gateway.ask(get()))
        _, body = await gateway.raw(b"GET /challenge HTTP/1.1\r\nHost: x\r\n\r\n")
    shown = auth.parse_www_authenticate(dict(fields)[b"www-authenticate"], token_types=[2, 0xDA7A])
    expected = [
        TokenChallenge(2, "issuer.example", b"", (AUTHORITY,)),
        TokenChallenge(0xDA7A, "second.example", b"", (AUTHORITY,)),
        TokenChallenge(2, "second.example", b"", (AUTHORITY,)),
    ]
    assert [one.challenge for one in shown] == expected
    assert shown[0].token_key == rsa.private_key(0).public_key.spki
    document = json.loads(body)
    listed = [TokenChallenge.decode(base64url.decode(one["challenge"])) for one in document["challenges"]]
    assert listed == expected
    assert TokenChallenge.decode(base64url.decode(document["challenge"])) == expected[0]


def test_the_single_challenge_is_one_that_every_client_knows() -> None:
    config = IssuerConfig(
        name="issuer.example", directory="http://m/", token_types=("partially-blind-rsa", "blind-rsa")
    )
    (preferred, known) = offers_of([IssuerKeys(config, lambda: 0.0, Logger("gateway", {}))], AUTHORITY)
    document = json.loads(challenge_document([preferred, known], TokenBudget(), 60).body)
    assert base64url.decode(document["challenge"]) == known.challenge.encode()
    assert len(document["challenges"]) == 2
    document = json.loads(challenge_document([known], TokenBudget(), 60).body)
    assert "challenges" not in document
    document = json.loads(challenge_document([preferred], TokenBudget(), 60).body)
    assert base64url.decode(document["challenge"]) == preferred.challenge.encode()


def test_a_name_that_is_none_is_refused() -> None:
    config = IssuerConfig(name="no name", directory="http://m/")
    with pytest.raises(ChallengeMalformed):
        offers_of([IssuerKeys(config, lambda: 0.0, Logger("gateway", {}))], AUTHORITY)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("token_types = []", "at least one type"),
        ('token_types = ["arc", "arc"]\nkey_folder = "keys"', "each once"),
        ('token_types = ["arc"]', "need a key_folder"),
        ('token_types = ["blind-rsa"]\nkey_folder = "keys"', "other types have none"),
        ('token_types = ["rsa"]', "Invalid enum value"),
        ("presentation_limit = 1", "presentation_limit"),
        ('[[issuers]]\nname = "issuer.example"\ndirectory = "http://m/"', "each name is given once"),
        (
            "".join(
                f'\n[[issuers]]\nname = "i{number}"\ndirectory = "http://m/"'
                f'\ntoken_types = ["blind-rsa", "partially-blind-rsa"]'
                for number in range(8)
            ),
            "at most 16 challenges",
        ),
        ("[replay]\nrequests_per_second = 0", "requests_per_second"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(place: Place, more: str, said: str) -> None:
    file = place.folder / "gateway.toml"
    file.write_text(place.config(issuer=more))
    with pytest.raises(ConfigError, match=said):
        load(file, GatewayConfig)


def test_no_issuer_is_refused(place: Place) -> None:
    text = place.config()
    start, end = text.index("[[issuers]]"), text.index("[store]")
    text = text[:start] + text[end:]
    for more in ("", "issuers = []"):
        file = place.folder / "gateway.toml"
        file.write_text(text.replace("drain_seconds", f"{more}\n        drain_seconds"))
        with pytest.raises(ConfigError, match="issuer"):
            load(file, GatewayConfig)
