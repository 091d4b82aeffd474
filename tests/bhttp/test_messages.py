from dataclasses import FrozenInstanceError

import pytest

from tacita.bhttp import Content, Request, RequestHead, Response, ResponseHead, Trailers

CANARY = b"canary"


@pytest.mark.parametrize(
    "message",
    [
        Content(CANARY),
        Trailers(((CANARY, CANARY),)),
        Request(RequestHead(b"GET", b"https", CANARY, b"/" + CANARY, ((CANARY, CANARY),)), CANARY),
        Response(ResponseHead(200, ((CANARY, CANARY),)), CANARY, ((CANARY, CANARY),)),
    ],
)
def test_repr_shows_nothing_of_the_content(message: object) -> None:
    assert "canary" not in repr(message)


def test_messages_are_values() -> None:
    head = ResponseHead(200, ((b"a", b"1"), (b"a", b"2")))
    assert Response(head) == Response(ResponseHead(200, ((b"a", b"1"), (b"a", b"2"))))
    assert Response(head) != Response(ResponseHead(200, ((b"a", b"2"), (b"a", b"1"))))
    assert len({Response(head), Response(head)}) == 1
    with pytest.raises(FrozenInstanceError):
        head.status = 201  # type: ignore[misc]
