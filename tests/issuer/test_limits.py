import pytest

from issuer.limits import Limits


def test_every_bound_is_at_least_one() -> None:
    assert Limits().threads >= 1
    for name in ("max_batch", "max_pending", "max_pending_of_account", "max_waiting", "threads"):
        with pytest.raises(ValueError, match="at least 1"):
            Limits(**{name: 0})
