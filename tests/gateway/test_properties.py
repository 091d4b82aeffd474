"""Random bytes at each layer: the constant refusal outside or an answer inside, never a defect."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bhttp_strategies import cut, forms, requests
from support.gateways import AUTHORITY, Gateway, gateway_running, place_running, token

from tacita import bhttp
from tacita.bhttp import Form, Request, RequestHead
from tacita.ohttp import media, oneshot
from tacita.ohttp.chunked import RequestSealer


async def _answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer without a look at the request, whose fields may be anything."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    raise ConnectionAbortedError


_SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_CUTS = st.none() | st.lists(st.integers(0, 300), max_size=4)


class Running:
    """One gateway for all examples, on a loop of its own."""

    def __init__(self, runner: asyncio.Runner, gateway: Gateway, log: io.StringIO) -> None:
        self._runner = runner
        self.gateway = gateway
        self._log = log

    def post(self, body: bytes, kind: str) -> tuple[int, bytes]:
        head, said = self._runner.run(self.gateway.post(body, kind))
        assert "internal_error" not in self._log.getvalue(), self._log.getvalue()
        return int(head.split(b" ")[1]), said

    def status_inside(self, plain: bytes, cuts: list[int] | None) -> int:
        """Return the status inside; `cuts` are where a chunked message is cut, None means one-shot."""
        if cuts is None:
            message, context = oneshot.encapsulate_request(self.gateway.configs[0], plain)
            status, said = self.post(message, media.REQUEST)
            assert status == 200, said
            return bhttp.decode_response(context.decapsulate_response(said)).head.status
        sealer = RequestSealer(self.gateway.configs[0])
        opener = sealer.response_opener()
        message = sealer.header()
        message += b"".join(sealer.seal(piece) for piece in cut(plain, cuts) if piece)
        status, said = self.post(message + sealer.finish(), media.CHUNKED_REQUEST)
        assert status == 200, said
        return bhttp.decode_response(b"".join(opener.feed(said) + opener.finish())).head.status


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    log = io.StringIO()

    @asynccontextmanager
    async def everything(folder: Path) -> AsyncIterator[Gateway]:
        async with place_running(folder) as place, gateway_running(place) as gateway:
            assert gateway.service is not None
            gateway.service.log._stream = log
            place.target.answer = _answer
            yield gateway

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        context = everything(folder)
        gateway = runner.run(context.__aenter__())
        yield Running(runner, gateway, log)
        runner.run(context.__aexit__(None, None, None))


@_SETTINGS
@given(st.binary(max_size=400), st.sampled_from([media.REQUEST, media.CHUNKED_REQUEST]))
def test_noise_is_refused_alike(running: Running, noise: bytes, kind: str) -> None:
    _, constant = running.post(b"", media.REQUEST)
    assert running.post(noise, kind) == (422, constant)


@_SETTINGS
@given(st.data(), st.booleans())
def test_an_altered_ciphertext_is_refused_alike(running: Running, data: st.DataObject, chunked: bool) -> None:
    _, constant = running.post(b"", media.REQUEST)
    config = running.gateway.configs[0]
    if chunked:
        sealer = RequestSealer(config)
        message = sealer.header() + sealer.seal(b"\0\3GET") + sealer.finish(b"\5https")
    else:
        message, _ = oneshot.encapsulate_request(config, b"\0\3GET\5https")
    at = data.draw(st.integers(0, len(message) - 1))
    altered = bytearray(message)
    altered[at] ^= data.draw(st.integers(1, 255))
    kind = media.CHUNKED_REQUEST if chunked else media.REQUEST
    assert running.post(bytes(altered), kind) == (422, constant)


@_SETTINGS
@given(st.binary(max_size=300), _CUTS)
def test_noise_inside_is_answered_inside(running: Running, noise: bytes, cuts: list[int] | None) -> None:
    assert running.status_inside(noise, cuts) in {400, 403, 413, 414, 417, 431}


@_SETTINGS
@given(requests, forms, st.booleans(), _CUTS)
def test_any_valid_message_is_answered_inside(
    running: Running, message: Request, form: Form, mine: bool, cuts: list[int] | None
) -> None:
    head = message.head
    authority, scheme = (AUTHORITY.encode(), b"https") if mine else (head.authority, head.scheme)
    if head.method != b"CONNECT":
        head = RequestHead(head.method, scheme, authority, head.path, (*head.fields, token()))
    plain = bhttp.encode_request(Request(head, message.content, message.trailers), form=form)
    # A 502 is the target's, which closes without having read a body.
    assert running.status_inside(plain, cuts) in {200, 400, 403, 417, 502}
