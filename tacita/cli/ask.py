"""`tacita ask`: one question for one token, the answer as it streams."""

import argparse
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing

from rich.console import Console

from tacita.cli import explain
from tacita.client import chat
from tacita.client.endpoints import Endpoints
from tacita.client.issuance import BATCH, fetch_batch, read_credential
from tacita.client.record import Recorder
from tacita.client.session import Session
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet

__all__ = ["run"]

_FETCHING = (
    "The wallet is empty, so tokens are fetched now: the issuer sees that this account is about to ask. "
    "Fetch ahead with tacita tokens --keep."
)

_STEERING = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
"""Control characters: an answer must not move the cursor or retitle the window."""


async def run(options: argparse.Namespace) -> int:
    """Ask, print, and show what each party saw if that is wanted. Returns 0."""
    progress = Console(stderr=True, highlight=False)
    endpoints = Endpoints.load(options.state / "endpoints.json")
    credential = read_credential(endpoints.issuer.credential)
    recorder = Recorder() if options.explain else None
    model = options.model or endpoints.target.model
    message = {"role": "user", "content": options.question}
    pieces: list[str] = []
    with Wallet.open(options.state / "wallet.sqlite") as wallet:
        with progress.status("comparing the keys at two mirrors"):
            trust = await Trust.fetch(endpoints)
        challenge, keys = trust.challenge.digest(), trust.token_key_ids()
        if not wallet.count(challenge, keys):
            print(_FETCHING, file=sys.stderr, flush=True)
            with progress.status(f"fetching {BATCH} tokens"):
                wallet.add(await fetch_batch(endpoints.issuer, trust, credential, recorder=recorder))
        async with (
            Session(endpoints, trust, wallet, recorder=recorder) as session,
            aclosing(chat.stream(session, model, [message], max_tokens=options.max_tokens)) as answer,
        ):
            await _receive(answer, pieces, show=not options.json)
        left = wallet.count(challenge, keys)
    secrets = explain.Secrets(credential, options.question, pieces)
    if options.json:
        document = {"answer": "".join(pieces), "tokens_left": left}
        if recorder is not None:
            document["explain"] = explain.as_json(recorder, secrets)
        print(json.dumps(document))
    elif recorder is not None:
        print()
        Console(highlight=False).print(explain.as_table(recorder, secrets))
    return 0


async def _receive(answer: AsyncIterator[str], pieces: list[str], *, show: bool) -> None:
    """Collect the answer in `pieces`, and print it as it comes where `show` says so."""
    try:
        async for piece in answer:
            pieces.append(piece)
            if show:
                sys.stdout.write(piece.translate(_STEERING))
                sys.stdout.flush()
    finally:
        if show and pieces:
            print(flush=True)
