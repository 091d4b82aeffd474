"""Tokens of every type at a gateway: taken once, refused when altered, expired, or of another type."""

import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.gateways import Gateway, Place, gateway_running, get, problem_of, token
from support.tokens import LIMIT, TYPES, Minted, expiring, minted

from gateway.token_types import TOKEN_TYPES, Redemption
from tacita.bhttp import Field
from tacita.errors import ConfigError, TacitaError
from tacita.privacypass import auth
from tacita.privacypass.extensions import EXPIRATION, Extension, Extensions
from tacita.wire import base64url

PRIVATE = [name for name, kind in TOKEN_TYPES.items() if kind.load_private is not None]


def lines(*names: str) -> str:
    """Return the lines of an issuer's table that takes tokens of these types."""
    listed = ", ".join(f'"{name}"' for name in names)
    folder = 'key_folder = "keys"' if set(names) & set(PRIVATE) else ""
    return f"token_types = [{listed}]\n{folder}\npresentation_limit = {LIMIT}"


def set_up(place: Place, *names: str) -> list[Minted]:
    """Have the issuer of `place` issue these types, and lend its key folder; return what mints tokens."""
    issuers = [minted(name) for name in names]
    place.token_keys = tuple(issuer.key for issuer in issuers)
    for issuer in issuers:
        issuer.lend(place.folder / "keys")
    return issuers


async def status(gateway: Gateway, paid: Field) -> int:
    return (await gateway.ask(get(paid))).head.status


def altered(paid: Field, at: int) -> Field:
    """Return a token with one bit flipped."""
    text = paid[1].split(b'"')
    encoded = bytearray(base64url.decode(text[1].decode()))
    encoded[at % len(encoded)] ^= 1
    text[1] = base64url.encode(bytes(encoded)).encode()
    return paid[0], b'"'.join(text)


@pytest.mark.parametrize("name", list(TYPES))
async def test_a_token_of_each_type_is_taken_once(place: Place, name: str) -> None:
    (issuer,) = set_up(place, name)
    async with gateway_running(place, issuer=lines(name)) as gateway:
        one, other = issuer.token(), issuer.token()
        assert [await status(gateway, paid) for paid in (one, other, one, other)] == [200, 200, 401, 401]
        assert len(place.target.heads) == 2
        assert not any(b"uthorization" in head for head in place.target.heads)


@pytest.mark.parametrize("name", list(TYPES))
async def test_a_token_with_a_bit_altered_is_refused(place: Place, name: str) -> None:
    (issuer,) = set_up(place, name)
    async with gateway_running(place, issuer=lines(name)) as gateway:
        paid = issuer.token()
        # None of the four bytes of a presentation's nonce, which no proof is about.
        for at in (0, 1, 7, 40, 80, 110, -1):
            assert await status(gateway, altered(paid, at)) == 401
        assert not place.target.heads
        assert await status(gateway, paid) == 200, "the real one is untouched"


async def test_all_types_of_one_issuer_at_once(place: Place) -> None:
    issuers = set_up(place, *TYPES)
    async with gateway_running(place, issuer=lines(*TYPES)) as gateway:
        paid = [issuer.token() for issuer in issuers]
        assert [await status(gateway, one) for one in paid] == [200] * 5
        assert [await status(gateway, one) for one in paid] == [401] * 5
        found, fields, _ = problem_of(await gateway.ask(get()))
    assert found == 401
    shown = auth.parse_www_authenticate(
        dict(fields)[b"www-authenticate"], token_types=[kind.number for kind in TOKEN_TYPES.values()]
    )
    assert [one.challenge for one in shown] == [issuer.challenge for issuer in issuers]
    assert [one.token_key for one in shown] == [issuer.key.public_key for issuer in issuers]
    assert [one.rate_limit for one in shown] == [None] * 4 + [LIMIT]


async def test_a_type_that_is_not_taken_is_refused(place: Place) -> None:
    _, other = set_up(place, "blind-rsa", "voprf-p384")
    async with gateway_running(place) as gateway:
        assert await status(gateway, other.token()) == 401
        assert not place.target.heads


# Public metadata


@pytest.mark.parametrize("seconds", [-120, -3600])
async def test_an_expired_token_is_refused(place: Place, seconds: int) -> None:
    (issuer,) = set_up(place, "partially-blind-rsa")
    async with gateway_running(place, issuer=lines("partially-blind-rsa")) as gateway:
        found, fields, body = problem_of(await gateway.ask(get(issuer.token(expiring(seconds)))))  # type: ignore[call-arg]
        assert found == 401
        assert b"expired" in body
        assert b"www-authenticate" in dict(fields)
        assert not place.target.heads


async def test_an_expiry_cannot_be_exchanged_or_left_out(place: Place) -> None:
    (issuer,) = set_up(place, "partially-blind-rsa")
    async with gateway_running(place, issuer=lines("partially-blind-rsa")) as gateway:
        paid = issuer.token(expiring(-120), shown=expiring(7200))  # type: ignore[call-arg]
        assert await status(gateway, paid) == 401
        name, value = issuer.token()
        assert await status(gateway, (name, value.partition(b", extensions")[0])) == 401
        for extensions in (
            Extensions(),
            Extensions((*expiring(3600).extensions, *expiring(7200).extensions)),
            Extensions((*expiring(3600).extensions, Extension(EXPIRATION + 1, b"mark"))),
            Extensions((Extension(EXPIRATION, b"short"),)),
        ):
            assert await status(gateway, issuer.token(extensions, shown=extensions)) == 401  # type: ignore[call-arg]
        assert not place.target.heads
        assert await status(gateway, (name, value)) == 200


# Private verification


async def test_a_credential_is_taken_up_to_its_limit(place: Place) -> None:
    (issuer,) = set_up(place, "arc")
    async with gateway_running(place, issuer=lines("arc")) as gateway:
        paid = [issuer.token() for _ in range(LIMIT)]
        assert [await status(gateway, one) for one in paid] == [200] * LIMIT
        with pytest.raises(TacitaError):
            issuer.token()
    async with gateway_running(place, issuer=lines("arc").replace(f"= {LIMIT}", "= 9")) as gateway:
        assert await status(gateway, paid[0]) == 401, "the proof is for another limit"


async def test_a_nonce_that_is_altered_buys_nothing_more(place: Place) -> None:
    (issuer,) = set_up(place, "arc")
    async with gateway_running(place, issuer=lines("arc")) as gateway:
        paid = issuer.token()
        assert await status(gateway, paid) == 200
        # The nonce is bytes 2 to 5, and no proof is about it.
        assert await status(gateway, altered(paid, 5)) == 401
        assert len(place.target.heads) == 1


async def test_a_key_is_taken_once_the_folder_has_it(place: Place) -> None:
    issuer = minted("voprf-ristretto255")
    place.token_keys = (issuer.key,)
    more = lines("voprf-ristretto255") + "\nrefresh_seconds = 0.05"
    async with gateway_running(place, wait=False, issuer=more) as gateway:
        paid = issuer.token()
        assert await status(gateway, paid) == 503
        issuer.lend(place.folder / "keys")
        while await status(gateway, paid) == 503:
            pass
        assert len(place.target.heads) == 1


async def test_a_key_that_was_replaced_is_read_again(place: Place) -> None:
    old, new = minted("voprf-ristretto255"), minted("voprf-ristretto255")
    place.token_keys = (old.key,)
    old.lend(place.folder / "keys")
    more = lines("voprf-ristretto255") + "\nrefresh_seconds = 0.05"
    async with gateway_running(place, issuer=more) as gateway:
        assert await status(gateway, old.token()) == 200
        place.token_keys = (new.key,)
        new.lend(place.folder / "keys")
        paid = new.token()
        while await status(gateway, paid) == 401:
            pass
        assert await status(gateway, old.token()) == 401
        assert await status(gateway, paid) == 401, "spent"


async def test_a_folder_that_others_can_read_stops_the_start(place: Place) -> None:
    (issuer,) = set_up(place, "voprf-p384")
    issuer.files[0].chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        async with gateway_running(place, issuer=lines("voprf-p384")):
            pass
    issuer.files[0].chmod(0o600)
    issuer.files[0].write_bytes(b"no key")
    with pytest.raises(ConfigError, match="is not a key of its type"):
        async with gateway_running(place, issuer=lines("voprf-p384")):
            pass


async def test_the_folder_is_only_read(place: Place) -> None:
    set_up(place, "blind-rsa", "voprf-p384")
    folder = place.folder / "keys"
    (folder / "blind-rsa.86400.1.key").write_bytes(b"not for the gateway")
    before = {path: (path.read_bytes(), path.stat()) for path in folder.iterdir()}
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    async with gateway_running(place, issuer=lines("blind-rsa", "voprf-p384")) as gateway:
        assert await status(gateway, token()) == 200
    folder.chmod(0o700)
    after = {path: (path.read_bytes(), path.stat()) for path in folder.iterdir()}
    assert {path: content for path, (content, _) in before.items()} == {
        path: content for path, (content, _) in after.items()
    }


# Anything


@pytest.mark.parametrize("name", list(TYPES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_bytes_are_refused_with_an_error_of_the_tree(name: str, data: st.DataObject) -> None:
    kind = TOKEN_TYPES[name]
    issuer = _ISSUERS.setdefault(name, minted(name))
    private = issuer.private and kind.load_private and kind.load_private(issuer.private)
    key = private or kind.load(issuer.key.public_key)
    if name not in _TOKENS:
        _TOKENS[name] = issuer.token()
    real = base64url.decode(_TOKENS[name][1].decode().split('"')[1])
    keep = data.draw(st.integers(2, len(real)))
    changed = real[:keep] + data.draw(st.binary(max_size=300) | st.just(os.urandom(len(real) - keep)))
    extensions = base64url.encode(data.draw(st.binary(max_size=40) | st.just(expiring(600).encode())))
    text = f'PrivateToken token="{base64url.encode(changed)}", extensions="{extensions}"'
    try:
        shown, found = auth.parse_redemption(text.encode())
        if shown.token_type != kind.number:
            return
        challenge = issuer.challenge
        kind.verify(Redemption(shown, found, challenge, challenge.digest(), LIMIT, 0.0), key)
    except TacitaError:
        return
    assert changed == real or name == "arc"


_ISSUERS: dict[str, Minted] = {}
_TOKENS: dict[str, Field] = {}
