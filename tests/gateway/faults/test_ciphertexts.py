"""Ten thousand messages that cannot be opened: random ones and good ones that were spoilt. One answer."""

import asyncio
import random
from collections.abc import Callable

import pytest
from support import raw_http
from support.gateways import Gateway, Place, get, message
from support.ways import WAYS, way_in

from tacita import bhttp
from tacita.ohttp import KeyConfig, media, oneshot
from tacita.ohttp.chunked import RequestSealer

EACH = 2_500
SEED = 20_260_101
FREE = b"free.example"

Make = Callable[[random.Random], bytes]


def good(config: KeyConfig, kind: str) -> bytes:
    """Return a message that the gateway would serve."""
    plain = bhttp.encode_request(get(authority=FREE))
    if kind == media.REQUEST:
        return oneshot.encapsulate_request(config, plain)[0]
    sealer = RequestSealer(config)
    return sealer.header() + sealer.seal(plain) + sealer.finish()


def spoilt(config: KeyConfig, kind: str) -> Make:
    """Return what spoils a good message: a bit, a cut, more bytes, two exchanged, noise at the end."""

    def make(random: random.Random) -> bytes:
        whole = bytearray(good(config, kind))
        place = random.randrange(len(whole))
        way = random.randrange(5)
        if way == 0:
            whole[place] ^= 1 << random.randrange(8)
        elif way == 1:
            del whole[place:]
        elif way == 2:
            whole[place:place] = random.randbytes(random.randint(1, 40))
        elif way == 3:
            other = next(at for at in range(len(whole)) if whole[at] != whole[place])
            whole[place], whole[other] = whole[other], whole[place]
        else:
            whole[max(7, place) :] = random.randbytes(len(whole) - max(7, place) + 1)
        return bytes(whole)

    return make


def noise(config: KeyConfig, _kind: str) -> Make:
    """Return what makes random bytes, half of them behind the header of a key that there is."""
    header = good(config, media.REQUEST)[:7]

    def make(random: random.Random) -> bytes:
        return (header if random.random() < 0.5 else b"") + random.randbytes(random.randint(0, 600))

    return make


@pytest.mark.parametrize("way", WAYS)
async def test_ten_thousand_have_one_answer_in_the_same_bytes(
    place: Place, gateway: Gateway, way: str
) -> None:
    answers: set[bytes] = set()

    async def send(kind: str, of: Callable[[KeyConfig, str], Make], seed: int) -> None:
        make, source = of(gateway.configs[0], kind), random.Random(seed)
        async with way_in(gateway.port, way) as (reader, writer):
            for _ in range(EACH):
                writer.write(message(make(source), kind))
                head = await raw_http.read_head(reader)
                named = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Date: "))
                answers.add(named + await raw_http.read_body(reader, head))

    print("seed", SEED)
    kinds = (media.REQUEST, media.CHUNKED_REQUEST)
    await asyncio.gather(
        *(send(kind, of, SEED + number) for number, of in enumerate((noise, spoilt)) for kind in kinds)
    )
    (answer,) = answers
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert not place.target.heads
    reasons = ("unknown_key", "suite", "malformed", "undecryptable", "truncated")
    counted = [gateway.counted(f'undecryptable_total{{reason="{reason}"}}') for reason in reasons]
    assert sum(counted) == 4 * EACH
    assert all(counted), "each reason came up"
