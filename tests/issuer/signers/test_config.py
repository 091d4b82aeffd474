from pathlib import Path

import pytest
from support.issuers import config_text

from issuer.config import IssuerConfig
from issuer.signers.config import SignerConfig
from tacita.errors import ConfigError
from tacita.service.config import load

HSM = 'module = "hsm.so", token = "t", pin_file = "pin"'


def loaded(folder: Path, signer: str) -> SignerConfig:
    path = folder / "issuer.toml"
    path.write_text(config_text(more=f"signer = {{ {signer} }}"))
    return load(path, IssuerConfig).signer


def test_nothing_said_takes_the_fastest(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == SignerConfig(engine="auto")


@pytest.mark.parametrize("engine", ["auto", "crypto_mb", "libcrypto", "gmp"])
def test_engines_for_keys_in_memory(tmp_path: Path, engine: str) -> None:
    assert loaded(tmp_path, f'engine = "{engine}"').engine == engine


def test_an_hsm(tmp_path: Path) -> None:
    hsm = loaded(tmp_path, f'engine = "pkcs11", hsm = {{ {HSM} }}').hsm
    assert hsm is not None
    assert (hsm.module, hsm.pin_file) == (tmp_path / "hsm.so", tmp_path / "pin")
    assert hsm.label_prefix == "tacita-issuer"


@pytest.mark.parametrize(
    "signer",
    [
        'engine = "openssl"',
        'engine = "pkcs11"',
        f"hsm = {{ {HSM} }}",
        f'engine = "pkcs11", hsm = {{ {HSM}, label_prefix = "" }}',
        f'engine = "pkcs11", hsm = {{ {HSM}, label_prefix = "a.b" }}',
        f'engine = "pkcs11", hsm = {{ {HSM}, seconds = 0 }}',
        f'engine = "pkcs11", hsm = {{ {HSM}, pin = "1234" }}',
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, signer: str) -> None:
    with pytest.raises(ConfigError):
        loaded(tmp_path, signer)
