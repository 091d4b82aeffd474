"""The chunked form: what is read, and that nobody waits for what has not been sent yet.

A request for a forbidden target is sealed in two chunks, and the last is kept back: a gateway that reads
chunks as they come refuses it at once. What comes back has gone through everybody in between.
"""

from tacita.bhttp import encode_request
from tacita.client.doctor.case import Case
from tacita.client.doctor.checks import Check, check
from tacita.client.doctor.inside import EXAMPLE
from tacita.client.doctor.refusals import require_chunked
from tacita.client.doctor.sealing import FORBIDDEN, Opened, ask_chunked, asking, in_chunks, require_understood
from tacita.client.doctor.verdicts import Untried, Wrong
from tacita.net.upstream import UpstreamTimeout
from tacita.ohttp.chunked import MAX_CHUNK

__all__ = ["CHECKS", "early_answer"]

_CHUNKS_OF_EXAMPLE = (EXAMPLE[:12], EXAMPLE[12:], b"")


async def early_answer(case: Case, url: str) -> Opened:
    """Return the answer of `url` to a request whose final chunk is never sent.

    Raises:
        Wrong: there is none.
        as `ask_chunked`
    """

    async def make() -> Opened:
        await require_chunked(case, url)
        (whole,) = in_chunks(asking(FORBIDDEN))
        try:
            return await ask_chunked(case, url, whole, b"", withheld=True)
        except UpstreamTimeout:
            raise Wrong("It does not answer before the request has ended.") from None

    return await case.once(f"early {url}", make)


@check(
    "stream.form",
    "a chunked request gets a chunked response",
    "draft-ietf-ohai-chunked-ohttp-08, Section 3",
)
async def _form(case: Case) -> str:
    opened = await _whole(case)
    return f"answered {require_understood(opened)} inside, in {len(opened.chunks)} chunks"


async def _whole(case: Case) -> Opened:
    async def make() -> Opened:
        await require_chunked(case, case.messages())
        return await ask_chunked(case, case.messages(), *in_chunks(asking(FORBIDDEN)))

    return await case.once("chunked", make)


@check(
    "stream.incremental",
    "a chunked response says Incremental: ?1, so that nobody on its way holds it back",
    "draft-ietf-ohai-chunked-ohttp-08, Section 3",
)
async def _incremental(case: Case) -> None:
    try:
        said = (await _whole(case)).outer.value("incremental")
    except Wrong:
        raise Untried("There is no chunked response.") from None
    if said.partition(";")[0].strip() != "?1":
        raise Wrong("A chunked response does not say Incremental: ?1.")


@check(
    "stream.example",
    "the draft's own example is understood: three chunks, the last one empty",
    "draft-ietf-ohai-chunked-ohttp-08, Appendix A",
)
async def _example(case: Case) -> str:
    await require_chunked(case, case.messages())
    opened = await ask_chunked(case, case.messages(), *_CHUNKS_OF_EXAMPLE)
    return f"answered {require_understood(opened)} inside"


@check(
    "stream.largest-chunk",
    "a chunk of 16,384 bytes is taken",
    "draft-ietf-ohai-chunked-ohttp-08, Section 3",
)
async def _largest(case: Case) -> None:
    await require_chunked(case, case.messages())
    padded = encode_request(asking(FORBIDDEN)).ljust(MAX_CHUNK, b"\0")
    require_understood(await ask_chunked(case, case.messages(), padded, b""))


@check(
    "stream.early",
    "a request is read as it comes: its refusal does not wait for its end",
    "draft-ietf-ohai-chunked-ohttp-08, Section 3",
)
async def _early(case: Case) -> str:
    opened = await early_answer(case, case.messages())
    require_understood(opened)
    after = opened.outer.arrivals[-1][0] * 1000
    return f"answered {after:.0f} ms after its first chunk; its last was never sent"


CHECKS: tuple[Check, ...] = (_form, _incremental, _example, _largest, _early)
