import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.errors import ConfigError
from tacita.net.urls import is_local, origin_of, split


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://a.example", "https://a.example", "/"),
        ("HTTPS://A.Example/", "https://a.example", "/"),
        ("https://a.example:443/x", "https://a.example", "/x"),
        ("http://a.example:80/x/y/", "http://a.example", "/x/y/"),
        ("http://a.example:443/", "http://a.example:443", "/"),
        ("https://a.example:8443/%41?q=1&r", "https://a.example:8443", "/%41?q=1&r"),
        ("http://[::1]:8080/x", "http://[::1]:8080", "/x"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1", "/"),
    ],
)
def test_each_origin_has_one_spelling(url: str, origin: str, path: str) -> None:
    assert split(url) == (origin, path)
    assert split(origin + path) == (origin, path)
    if "?" not in path:
        assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example",
        "ftp://a.example",
        "https://",
        "https:///path",
        "https://me@a.example",
        "https://@a.example",
        "https://me:pw@a.example",
        "https://a.example#x",
        "https://a.example/#",
        "https://a.example:port",
        "https://a.example:65536",
        "https://[::1",
        "https://bücher.example",
        "https://a.example/ü",
        "https://a.example/a b",
        "https://a.example/a\nb",
        " https://a.example",
        "https://a.example\t",
        "https://a\\b",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        split(url)
    assert not url or url not in str(raised.value)
    with pytest.raises(ConfigError):
        origin_of(url)


def test_an_origin_has_no_query() -> None:
    with pytest.raises(ConfigError):
        origin_of("https://a.example/?q=1")


@given(st.text() | st.text().map("https://".__add__))
def test_any_text_is_a_url_or_an_error_of_the_tree(text: str) -> None:
    try:
        origin, path = split(text)
    except ConfigError:
        return
    assert split(origin + path) == (origin, path)
    assert (origin + path).isascii()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9:80", "[::1]:80", "localhost", "LOCALHOST:8"])
def test_this_machine(host: str) -> None:
    assert is_local(f"http://{host}/")


@pytest.mark.parametrize("host", ["128.0.0.1", "[::2]", "localhost.example", "127.0.0.1.example", "relay"])
def test_another_machine(host: str) -> None:
    assert not is_local(f"http://{host}/")
