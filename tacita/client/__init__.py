"""Anonymous requests from Python.

    endpoints = Endpoints.load(Path("endpoints.json"))
    with Wallet.open(Path("wallet.sqlite")) as wallet:
        trust = await Trust.fetch(endpoints)
        wallet.add(await fetch_tokens(endpoints.issuer, trust, credential))
        async with Session(endpoints, trust, wallet) as session:
            question = {"role": "user", "content": "Why is the sky blue?"}
            async for piece in chat.stream(session, endpoints.target.model, [question]):
                print(piece, end="")

`trust` decides which keys are everybody's keys, `issuance` turns a credential into
tokens, `wallet` keeps them, `session` sends one request for one token, `payment` has it pay
with other types of token, `chat` speaks the OpenAI protocol through a session.
"""
