"""What the metrics of several processes make together."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tacita.service.families import Family, counted, render, together
from tacita.service.metrics import Metrics


def process(asked: int, *seconds: float, running: float = 0, epoch: float = 0) -> Metrics:
    metrics = Metrics("sample")
    metrics.reasons("asked_total", "Asked.", "result", ("yes", "no")).inc("yes", asked)
    metrics.gauge("running", "Running.").set(running)
    metrics.gauge("epoch", "Epoch.", across="min").set(epoch)
    metrics.gauge("age", "Age.", across="max").set(epoch)
    histogram = metrics.histogram("seconds", "Seconds.", (1, 10))
    for one in seconds:
        histogram.observe(one)
    return metrics


def values(shown: bytes) -> dict[str, float]:
    families = text_string_to_metric_families(shown.decode())
    return {
        sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_and_buckets_are_summed_and_gauges_as_they_say() -> None:
    parts = [process(3, 0.5, 5, running=2, epoch=7), process(4, 50, running=1, epoch=6)]
    found = values(render(together(part.families() for part in parts)))
    assert (
        found.items()
        >= {
            "tacita_sample_asked_total/yes": 7.0,
            "tacita_sample_asked_total/no": 0.0,
            "tacita_sample_running": 3.0,
            "tacita_sample_epoch": 6.0,
            "tacita_sample_age": 7.0,
            "tacita_sample_seconds_bucket/1.0": 1.0,
            "tacita_sample_seconds_bucket/10.0": 2.0,
            "tacita_sample_seconds_bucket/+Inf": 3.0,
            "tacita_sample_seconds_count": 3.0,
            "tacita_sample_seconds_sum": 55.5,
        }.items()
    )
    ones = [values(part.render()) for part in parts]
    assert found["process_start_time_seconds"] == min(one["process_start_time_seconds"] for one in ones)
    assert found["process_max_fds"] == sum(one["process_max_fds"] for one in ones)


def test_one_process_shows_what_it_has_and_not_when_it_was_made() -> None:
    metrics = process(3, 0.5)
    found = values(metrics.render())
    assert values(render(together([metrics.families()]))).keys() == found.keys()
    assert not any("_created" in name for name in found)


def test_of_a_process_that_has_ended_only_what_grows_is_kept() -> None:
    kept = counted(process(3, 0.5, running=5).families())
    assert {family.name for family in kept} == {
        "process_cpu_seconds",
        "tacita_sample_asked",
        "tacita_sample_seconds",
    }


_FAMILIES = st.lists(
    st.builds(
        Family,
        st.sampled_from(["a", "b"]),
        st.just("counter"),
        st.just("What."),
        st.just("sum"),
        st.lists(
            st.tuples(st.sampled_from(["x", "y"]), st.just((("l", "v"),)), st.integers(0, 2**40).map(float)),
            unique_by=lambda sample: sample[0],
        ).map(tuple),
    ),
    unique_by=lambda family: family.name,
)


@given(st.lists(_FAMILIES))
def test_nothing_is_lost_or_made_up(parts: list[list[Family]]) -> None:
    def total(families: list[Family]) -> float:
        return sum(value for family in families for _, _, value in family.samples)

    assert total(together(parts)) == sum(map(total, parts))
    # In whatever order they end.
    assert total(together([together(parts[:1]), *parts[1:]])) == total(together(parts))
