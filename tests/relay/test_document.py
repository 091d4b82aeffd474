"""A copy gives out what is left of its origin's max-age, and never more."""

from aiohttp.test_utils import make_mocked_request

from relay.document import Copy
from tacita.net.documents import Document


def test_what_is_left_of_the_life_is_passed_on() -> None:
    copy = Copy(Document(b"keys", "application/ohttp-keys", 60), fetched_at=5.0)
    request = make_mocked_request("GET", "/gateway/keys")
    ages = [copy.answer(request, now).headers["Cache-Control"] for now in (5.0, 35.5, 64.0, 65.0, 1000.0)]
    assert ages == [f"public, max-age={left}, no-transform" for left in (60, 29, 1, 0, 0)]
    assert copy.expires_at == 65.0
