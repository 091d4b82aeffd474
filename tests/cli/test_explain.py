import io
import json
import os

import pytest
from rich.console import Console

from tacita.cli import explain
from tacita.cli.explain import Secrets
from tacita.client.record import Party, Recorder

CREDENTIAL = "k" * 43
TOKEN = b'authorization: PrivateToken token="AAAA_-=="'


def said(text: str, *, ascii_only: bool = True, spaced: bool = True) -> bytes:
    separators = (", ", ": ") if spaced else (",", ":")
    document = {"choices": [{"delta": {"content": text}}]}
    return b"data: " + json.dumps(document, ensure_ascii=ascii_only, separators=separators).encode() + b"\n\n"


def recorded(**views: tuple[bytes, bytes]) -> Recorder:
    recorder = Recorder()
    for party, (sent, received) in views.items():
        recorder.sent(Party(party), "", [], sent)
        recorder.received(Party(party), received)
    return recorder


def seen(sent: bytes, received: bytes = b"", question: str = "Hi", answer: tuple[str, ...] = ()) -> set[str]:
    view = recorded(node=(sent, received)).views[Party.NODE]
    return {name for name, shown in Secrets(CREDENTIAL, question, answer).seen(view).items() if shown}


def asked(question: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": question}]}).encode()


def test_what_stands_in_the_clear_is_seen() -> None:
    assert seen(asked("Why?"), question="Why?") == {"question"}
    assert seen(TOKEN) == {"token"}
    assert seen(f"Authorization: Bearer {CREDENTIAL}\r\n".encode()) == {"account"}


@pytest.mark.parametrize(
    "question", ["Hi", "a", 'quote " \\', "Grüße ☀ \U0001f600", "\n", "content", "message"]
)
def test_any_question_is_found_where_it_is_and_nowhere_else(question: str) -> None:
    assert seen(asked(question), question=question) == {"question"}
    headers = b"Content-Type: message/ohttp-chunked-req\r\nIncremental: ?1\r\n"
    for _ in range(50):
        assert seen(headers + os.urandom(4096), os.urandom(4096), question=question) == set()


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("spaced", [True, False])
def test_any_answer_is_found_however_the_target_writes_it(ascii_only: bool, spaced: bool) -> None:
    pieces = ("4", " é", "\n", '"', "\U0001f600")
    received = b"".join(said(piece, ascii_only=ascii_only, spaced=spaced) for piece in pieces)
    assert seen(b"", received, answer=pieces) == {"answer"}
    assert seen(b"", received[:-30], answer=pieces) == set()
    assert seen(received, b"", answer=pieces) == set()


def test_no_answer_is_seen_by_nobody() -> None:
    assert seen(b"", said("x"), answer=()) == set()


def full() -> Recorder:
    recorder = Recorder()
    big = bytes(1_048_576)
    address = "123.123.123.123:45678"
    recorder.sent(Party.ISSUER, address, [(b"authorization", f"Bearer {CREDENTIAL}".encode())], big)
    recorder.sent(Party.RELAY, address, [], big)
    recorder.sent(Party.GATEWAY, "", [], TOKEN + asked("Hi") + big)
    recorder.sent(Party.NODE, "", [], asked("Hi") + big)
    for party in Party:
        recorder.received(party, said("x") + bytes(8_388_608))
    return recorder


def shown(recorder: Recorder, width: int = 80) -> str:
    output = io.StringIO()
    table = explain.as_table(recorder, Secrets(CREDENTIAL, "Hi", ["x"]))
    Console(file=output, width=width, highlight=False).print(table)
    return output.getvalue()


def test_the_table_fits_80_columns_whatever_is_in_it() -> None:
    text = shown(full())
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    rows = [line.split() for line in text.splitlines() if line.strip()]
    assert rows[1] == ["party", "address", "account", "token", "question", "answer", "bytes", "to", "from"]
    assert rows[3][:6] == ["issuer", "123.123.123.123", "yes", "no", "no", "yes"]
    assert rows[4][:6] == ["relay", "123.123.123.123", "no", "no", "no", "yes"]
    assert rows[5][:6] == ["gateway", "no", "no", "yes", "yes", "yes"]


def test_piped_it_has_no_escape_codes() -> None:
    assert "\x1b" not in shown(full())


def test_an_issuer_without_a_part_is_said_so() -> None:
    assert "the token was fetched earlier" in shown(Recorder())
    assert "the token was fetched earlier" not in shown(full())


def test_for_programs() -> None:
    document = json.loads(json.dumps(explain.as_json(full(), Secrets(CREDENTIAL, "Hi", ["x"]))))
    assert list(document) == ["issuer", "relay", "gateway", "node"]
    assert document["relay"] == {
        "address": True,
        "account": False,
        "token": False,
        "question": False,
        "answer": True,
        "bytes_sent": 1_048_576,
        "bytes_received": len(said("x")) + 8_388_608,
    }


def test_secrets_do_not_print() -> None:
    assert repr(Secrets("canary-1", "canary-2", ["canary-3"])) == "Secrets()"
