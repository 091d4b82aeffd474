"""A request under a known key id is refused after the same work, whatever is wrong with it (RFC 9458, 6.4).

What is counted is work, not time: `make privacy` measures that.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from tacita.crypto.hpke import Aead, Kdf, Kem, PrivateKey
from tacita.ohttp import GatewayKey, GatewayKeys, KeyConfig, RequestRefused, oneshot
from tacita.ohttp.chunked import RequestOpener, RequestSealer

_WORK = {("decapsulate", "keys"), ("derive", "schedule"), ("open", "sequence")}
_SMALL_ORDER = {Kem.X25519: bytes(32), Kem.P256: b"\x04" + bytes(64)}


def keys(kem: Kem) -> tuple[KeyConfig, GatewayKeys]:
    private = PrivateKey.generate(kem)
    config = KeyConfig(7, kem, private.public_key, ((Kdf.HKDF_SHA256, Aead.AES_128_GCM),))
    return config, GatewayKeys([GatewayKey(config, private)])


def work(refused: Callable[[], object]) -> Counter[str]:
    """Return how often each expensive step was done until `refused` was refused."""
    done: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        place = frame.f_globals.get("__name__", "").rpartition(".")[2]
        if event == "call" and (frame.f_code.co_name, place) in _WORK:
            done[frame.f_code.co_name] += 1

    sys.setprofile(profile)
    try:
        refused()
    except RequestRefused:
        return done
    finally:
        sys.setprofile(None)
    raise AssertionError("it was not refused")


def broken(message: bytes, kem: Kem) -> dict[str, bytes]:
    """Return `message` broken in ways that are told apart before its content is opened."""
    content = 7 + kem.n_enc
    ways = {
        "nothing behind the key id": message[:1],
        "suite not offered": message[:5] + b"\x7f\xff" + message[7:],
        "another KEM": message[:1] + b"\x7f\xff" + message[3:],
        "cut in the encapsulated key": message[: content - 1],
        "encapsulated key random": message[:7] + os.urandom(kem.n_enc) + message[content:],
    }
    if kem in _SMALL_ORDER:
        ways["encapsulated key of no use"] = message[:7] + _SMALL_ORDER[kem] + message[content:]
    return ways


@pytest.mark.parametrize("kem", list(Kem))
def test_one_shot(kem: Kem) -> None:
    config, known = keys(kem)
    message, _ = oneshot.encapsulate_request(config, bytes(1000))
    wanted = work(lambda: oneshot.decapsulate_request(known, message[:-1] + bytes([message[-1] ^ 1])))
    assert wanted == {"decapsulate": 1, "derive": 1, "open": 1}
    ways = {**broken(message, kem), "no content": message[: 7 + kem.n_enc]}
    for way, bad in ways.items():
        assert work(lambda bad=bad: oneshot.decapsulate_request(known, bad)) == wanted, way


@pytest.mark.parametrize("kem", list(Kem))
def test_chunked(kem: Kem) -> None:
    config, known = keys(kem)
    sealer = RequestSealer(config)
    message = sealer.header() + sealer.seal(bytes(1000)) + sealer.finish()
    content = 7 + kem.n_enc

    def read(data: bytes) -> None:
        opener = RequestOpener(known)
        opener.feed(data)
        opener.finish()

    wanted = work(lambda: read(message[: content + 10] + b"?" + message[content + 11 :]))
    assert wanted == {"decapsulate": 1, "derive": 1, "open": 1}
    ways = {
        **broken(message, kem),
        "chunk shorter than its tag": message[:content] + b"\x05" + message[content + 1 :],
        "chunk longer than allowed": message[:content] + b"\x9f\xff\xff\xff" + message[content + 4 :],
    }
    for way, bad in ways.items():
        assert work(lambda bad=bad: read(bad)) == wanted, way


def test_nothing_is_spent_on_a_key_id_that_nobody_has() -> None:
    config, known = keys(Kem.X25519)
    message, _ = oneshot.encapsulate_request(config, bytes(1000))
    assert not work(lambda: oneshot.decapsulate_request(known, b"\x08" + message[1:]))
    assert not work(lambda: oneshot.decapsulate_request(known, b""))
