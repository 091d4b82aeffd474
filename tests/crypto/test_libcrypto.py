"""How libcrypto is found, and that what it allocates is freed."""

import ctypes

import pytest

from tacita.crypto import libcrypto
from tacita.crypto.libcrypto import Handle, LibcryptoUnavailable, load


def test_functions_are_typed() -> None:
    library = load({"BN_num_bits_word": (ctypes.c_int, [ctypes.c_ulong])})
    assert library.BN_num_bits_word(255) == 8
    assert library.BN_num_bits_word.argtypes == [ctypes.c_ulong]


def test_short_calls_keep_the_gil() -> None:
    functions: libcrypto.Signatures = {"BN_num_bits_word": (ctypes.c_int, [ctypes.c_ulong])}
    assert isinstance(load(functions, hold_gil=True), ctypes.PyDLL)
    assert load(functions, hold_gil=True).BN_num_bits_word(255) == 8


def test_no_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto.ctypes.util, "find_library", lambda _: None)
    with pytest.raises(LibcryptoUnavailable, match="libssl3"):
        load({})


def test_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto.ctypes.util, "find_library", lambda _: "libm.so.6")
    with pytest.raises(LibcryptoUnavailable, match="libssl3"):
        load({})


def test_a_function_that_is_missing() -> None:
    with pytest.raises(LibcryptoUnavailable):
        load({"BN_of_another_age": (None, [])})


def test_an_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "_OPENSSL_3", 0xF000_0000)
    with pytest.raises(LibcryptoUnavailable, match="older"):
        load({})


def test_a_handle_frees_once_when_it_goes() -> None:
    freed: list[int] = []
    handle = Handle(7, freed.append)
    assert freed == []
    del handle
    assert freed == [7]
