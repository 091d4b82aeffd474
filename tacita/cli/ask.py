"""`tacita ask`: one question for one token, the answer as it streams."""

import argparse
import json
import sys
from contextlib import aclosing

from rich.console import Console

from tacita.cli import explain
from tacita.client import chat
from tacita.client.endpoints import Endpoints
from tacita.client.issuance import fetch_tokens
from tacita.client.record import Recorder
from tacita.client.session import Session
from tacita.client.trust import Trust
from tacita.client.wallet import Wallet
from tacita.service.keyfiles import read_secret

__all__ = ["run"]

_BATCH = 16
"""Tokens fetched at a time here. A person who asks often fetches more, at a moment of its own."""


async def run(options: argparse.Namespace) -> int:
    """Ask, print, and show what each party saw if that is wanted. Returns 0."""
    progress = Console(stderr=True, highlight=False)
    endpoints = Endpoints.load(options.state / "endpoints.json")
    credential = read_secret(endpoints.issuer.credential, "the account's credential").decode().strip()
    recorder = Recorder() if options.explain else None
    model = options.model or endpoints.target.model
    message = {"role": "user", "content": options.question}
    pieces: list[str] = []
    with Wallet.open(options.state / "wallet.sqlite") as wallet:
        with progress.status("comparing the keys at two mirrors"):
            trust = await Trust.fetch(endpoints)
        if not wallet.count(trust.challenge.digest()):
            with progress.status(f"fetching {_BATCH} tokens"):
                wallet.add(await fetch_tokens(endpoints.issuer, trust, credential, _BATCH, recorder=recorder))
        async with (
            Session(endpoints, trust, wallet, recorder=recorder) as session,
            aclosing(chat.stream(session, model, [message], max_tokens=options.max_tokens)) as answer,
        ):
            async for piece in answer:
                pieces.append(piece)
                if not options.json:
                    sys.stdout.write(piece)
                    sys.stdout.flush()
        left = wallet.count(trust.challenge.digest())
    seen = explain.Secrets(credential, options.question, pieces)
    if options.json:
        document = {"answer": "".join(pieces), "tokens_left": left}
        if recorder is not None:
            document["explain"] = explain.as_json(recorder, seen)
        sys.stdout.write(json.dumps(document) + "\n")
        return 0
    sys.stdout.write("\n")
    if recorder is not None:
        Console(highlight=False).print(explain.as_table(recorder, seen))
    return 0
