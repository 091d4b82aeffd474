from support.clocks import Clock

from issuer.attesters import Account
from issuer.attesters.cache import AccountCache


def test_an_account_is_kept_for_its_time() -> None:
    clock = Clock(0)
    cache = AccountCache(10, 4, clock=clock)
    cache.put(b"a", Account("alice", 1))
    assert cache.get(b"a") == Account("alice", 1)
    assert cache.get(b"b") is None
    clock.now = 10
    assert cache.get(b"a") is None
    assert len(cache) == 0


def test_the_oldest_goes_first() -> None:
    cache = AccountCache(10, 2, clock=Clock(0))
    for number in range(1_000):
        cache.put(b"%d" % number, Account(str(number), 1))
        assert len(cache) <= 2
    assert cache.get(b"997") is None
    assert cache.get(b"998") == Account("998", 1)
    cache.put(b"998", Account("998", 2))
    cache.put(b"1000", Account("1000", 1))
    assert cache.get(b"999") is None
    assert cache.get(b"998") == Account("998", 2)


def test_it_is_off_without_seconds() -> None:
    cache = AccountCache(0, 4)
    cache.put(b"a", Account("alice", 1))
    assert cache.get(b"a") is None
    assert len(cache) == 0


def test_no_credential_stays_in_memory() -> None:
    cache = AccountCache(10, 4, random=bytes)
    cache.put(b"credential-of-alice", Account("alice", 1))
    assert "credential-of-alice" not in repr(vars(cache))
