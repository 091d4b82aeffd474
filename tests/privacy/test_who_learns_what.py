"""The table of who learns what, cell by cell, on the bytes that each party was really handed.

`wire` holds what passed on every connection to a role while one person, from an address and
with an account of its own, fetched tokens and asked. A party can learn only what is in what
it was handed, in the clear or under a key that it has.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.canaries import Canaries, windows
from support.scene import ADDRESS, Evidence

from tacita.crypto.hpke import Kem
from tacita.ohttp.padding import padme
from tacita.privacypass import batch

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("scene")]

ENCAPSULATION = 7 + Kem.XWING.n_enc + 1 + 16
"""Bytes around a message of one chunk: header, encapsulated key, indicator of the final chunk, tag."""


def seen(evidence: Evidence, role: str) -> set[str]:
    """Return the names of the secrets that passed in the clear on connections to `role`."""
    return evidence.canaries.in_bytes(evidence.wire[role].everything)


# Issuer


def test_the_issuer_learns_which_account(evidence: Evidence) -> None:
    assert f"authorization: Bearer {evidence.api_key}".encode() in evidence.wire["issuer"].sent


def test_the_issuer_learns_from_which_address(evidence: Evidence) -> None:
    assert ADDRESS in evidence.wire["issuer"].peers


def test_the_issuer_learns_how_many_tokens(evidence: Evidence) -> None:
    """Two batches of seventy, each token a blinded message that is as long as the issuer's key."""
    sent = evidence.wire["issuer"].sent
    assert sent.count(batch.REQUEST_MEDIA_TYPE.encode()) == 2
    assert 140 * 256 < len(sent) < 140 * 256 * 1.2


def test_the_issuer_never_learns_what_a_token_paid_for(evidence: Evidence) -> None:
    assert seen(evidence, "issuer") == {"API key"}


def test_tokens_share_no_bytes_with_what_the_issuer_saw(evidence: Evidence) -> None:
    """What it signed was blinded: not eight bytes in a row of any token came by."""
    passed = evidence.wire["issuer"].everything
    pieces = [
        windows(secret, 8, 1) for token in evidence.spent for secret in (token.nonce, token.authenticator)
    ]
    assert len(pieces) > 100
    present = {passed[start : start + 8] for start in range(len(passed))}
    assert not [piece for secret in pieces for piece in secret if piece in present]


def test_the_issuer_never_learns_when(evidence: Evidence) -> None:
    """With a filled wallet nobody asks the issuer anything while questions are asked."""
    assert evidence.issuer_while_asking == (0, 0)


def test_the_issuer_never_learns_through_which_relay(evidence: Evidence) -> None:
    relay = json.loads(_endpoints(evidence))["relay"]["messages"]
    assert relay.split("/")[2].encode() not in evidence.wire["issuer"].sent


# Relay


def test_the_relay_learns_the_address(evidence: Evidence) -> None:
    assert evidence.wire["relay"].peers == {ADDRESS}


def test_the_relay_learns_which_gateway(evidence: Evidence) -> None:
    assert b"POST /gateway HTTP/1.1\r\n" in evidence.wire["relay"].sent


def test_the_relay_learns_a_padded_size(evidence: Evidence) -> None:
    sizes = evidence.sizes["relay"]
    assert len(sizes) == 64
    assert all(padme(size - ENCAPSULATION) == size - ENCAPSULATION for size in sizes)
    assert len(set(sizes)) <= 4


def test_the_relay_learns_a_padded_size_of_the_answer(evidence: Evidence) -> None:
    assert len(evidence.answer_sizes) == 16
    assert len(set(evidence.answer_sizes)) <= 4


def test_the_relay_never_learns_content_account_or_token(evidence: Evidence) -> None:
    assert seen(evidence, "relay") == set()


def test_the_relay_has_no_way_to_decrypt() -> None:
    """All modules of the relay, loaded at once; tests/relay/test_process.py asks one that serves."""
    program = (
        "import sys, pkgutil, importlib, relay\n"
        "for module in pkgutil.iter_modules(relay.__path__, 'relay.'):\n"
        "    importlib.import_module(module.name)\n"
        "print('\\n'.join(sys.modules))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = said.stdout.split()
    assert "relay.forward" in loaded
    barred = ("tacita.crypto", "tacita.ohttp", "tacita.bhttp", "tacita.privacypass", "cryptography", "gmpy2")
    assert not [name for name in loaded if name.startswith(barred)]


# Gateway


def test_the_gateway_learns_one_valid_token_for_each_request(evidence: Evidence) -> None:
    series = 'tacita_gateway_tokens_total{event="committed"} '
    (line,) = [line for line in evidence.metrics["gateway"].decode().splitlines() if line.startswith(series)]
    assert float(line.removeprefix(series)) >= 64


def test_the_gateway_learns_a_padded_size(evidence: Evidence) -> None:
    assert evidence.sizes["gateway"] == evidence.sizes["relay"]


def test_the_gateway_learns_which_node(evidence: Evidence) -> None:
    assert evidence.wire["node"].peers == {"127.0.0.1"}


def test_the_gateway_never_learns_the_address(evidence: Evidence) -> None:
    assert evidence.wire["gateway"].peers == {"127.0.0.1"}
    assert "address" not in seen(evidence, "gateway")


def test_the_gateway_never_learns_the_account(evidence: Evidence) -> None:
    """Nothing that comes from the relay names it, and neither does what is inside: see the node."""
    assert not seen(evidence, "gateway") & {"account", "account id", "API key"}
    assert not seen(evidence, "target") & {"account", "account id", "API key"}


def test_all_requests_reach_the_gateway_alike(evidence: Evidence) -> None:
    """No header field of a request differs from client to client, or from one request to the next."""
    heads = [head for head in evidence.wire["gateway"].sent.split(b"\r\n\r\n") if b"POST " in head]
    fields = {
        line.partition(b":")[0].lower()
        for head in heads
        for line in head[head.rindex(b"POST ") :].split(b"\r\n")[1:]
    }
    assert fields <= {b"host", b"content-type", b"content-length", b"incremental", b"transfer-encoding"}


# Node


def test_the_node_learns_the_content(evidence: Evidence) -> None:
    assert evidence.prompt.encode() in evidence.wire["node"].sent
    assert evidence.prompt.encode() in evidence.wire["target"].sent


@pytest.mark.parametrize("role", ["node", "target"])
def test_the_node_never_learns_address_account_or_token(evidence: Evidence, role: str) -> None:
    assert evidence.wire[role].peers == {"127.0.0.1"}
    assert seen(evidence, role) <= {"prompt", "answer"}
    assert b"privatetoken" not in evidence.wire[role].sent.lower()


# The instruments


def test_a_secret_on_the_wire_would_be_found(evidence: Evidence) -> None:
    """What each party is meant to learn is found by the same search in the same records."""
    assert "API key" in seen(evidence, "issuer")
    assert "prompt" in seen(evidence, "node")
    assert "prompt" in seen(evidence, "target")
    assert Canaries({"x": b"POST /gateway"}).in_bytes(evidence.wire["relay"].sent) == {"x"}
    message = b"POST /.well-known/ohttp-gateway"
    assert Canaries({"x": message}).in_bytes(evidence.wire["gateway"].sent) == {"x"}


def _endpoints(evidence: Evidence) -> str:
    folder: Path = evidence.own_folders["relay"][0]
    return (folder.parent / "endpoints.json").read_text()
