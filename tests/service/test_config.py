from pathlib import Path

import pytest

from tacita.errors import ConfigError
from tacita.service.config import Listen, Struct, load


class Inner(Struct, frozen=True):
    file: Path
    maybe: Path | None = None


class Config(Struct, frozen=True):
    listen: Listen
    name: str = "x"
    number: int = 1
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()

    def __post_init__(self) -> None:
        if self.number == 13:
            raise ValueError("number is not 13")


def read(folder: Path, text: str | bytes) -> Config:
    path = folder / "c.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, Config)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        'listen = { unix = "run/s" }\ninner = { file = "a", maybe = "/b" }\n[[many]]\nfile = "../c"\n',
    )
    assert config.listen.unix == tmp_path / "run/s"
    assert config.inner == Inner(file=tmp_path / "a", maybe=Path("/b"))
    assert config.many[0].file == tmp_path / "../c"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("listen = {}\nnmae = 'x'", "unknown field `nmae`"),
        ("listen = { prot = 5 }", "unknown field `prot` - at `$.listen`"),
        ("listen = {}\n[[many]]\nfile = 'a'\nfiel = 'b'", "`fiel` - at `$.many[0]`"),
        ("", "missing required field `listen`"),
        ("listen = 5", "Expected `object`, got `int` - at `$.listen`"),
        ("listen = {}\nnumber = '5'", "Expected `int`, got `str` - at `$.number`"),
        ("listen = {}\nnumber = 5.5", "got `float` - at `$.number`"),
        ("listen = {}\nname = true", "got `bool` - at `$.name`"),
        ("listen = { unix = 5 }", "Expected the path of a file - at `$.listen.unix`"),
        ("listen = { unix = '' }", "Expected the path of a file - at `$.listen.unix`"),
        ('listen = { unix = "a\\u0000b" }', "Expected the path of a file - at `$.listen.unix`"),
        ("listen = {}\nnumber = 13", "number is not 13"),
        ("listen = { port = 65536 }", "port is between 0 and 65535 - at `$.listen`"),
        ("listen = { port = -1 }", "port is between 0 and 65535 - at `$.listen`"),
        ("listen = { tls_certificate = 'a' }", "go together - at `$.listen`"),
        ("listen = { tls_client_authority = 'a' }", "tls_client_authority wants tls_certificate"),
        ("listen = {", "is not valid"),
        ("listen = {}\nlisten = {}", "is not valid"),
        (b"name = '\xff'", "is not valid"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    message = str(raised.value)
    assert says in message
    assert message.startswith(f"The configuration {tmp_path / 'c.toml'} is not valid: ")
    assert message.endswith(".")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / name, Config)
