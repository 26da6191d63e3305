"""A histogram that takes whole batches counts what the library's own would count."""

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from connector.instruments import BatchHistogram

BOUNDS = (0.01, 0.5, 1, 60, 86_400)
near = st.sampled_from([0.0, 0.01, 0.010000001, 0.5, 1.0, 60.0, 86_400.0, 86_401.0])
batches = st.lists(st.tuples(st.sampled_from("ab"), st.lists(near | st.floats(0, 1e6))), max_size=8)


@given(batches)
@example([("a", [])])
def test_batches_come_to_what_their_values_come_to_one_by_one(some: list[tuple[str, list[float]]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    batch = BatchHistogram("seconds", "Some.", "family", bounds=BOUNDS, registry=ours)
    single = Histogram("seconds", "Some.", ["family"], buckets=BOUNDS, registry=theirs)
    for label, values in some:
        batch.observe(label, values)
        child = single.labels(label)
        for value in values:
            child.observe(value)
    assert samples(ours) == samples(theirs)


def test_a_label_that_is_shown_stands_at_0_and_keeps_what_it_has_counted() -> None:
    registry = CollectorRegistry()
    batch = BatchHistogram("seconds", "Some.", "family", bounds=BOUNDS, registry=registry)
    batch.show("a")
    assert registry.get_sample_value("seconds_count", {"family": "a"}) == 0
    assert registry.get_sample_value("seconds_bucket", {"family": "a", "le": "+Inf"}) == 0
    batch.observe("a", [3])
    batch.show("a")
    assert registry.get_sample_value("seconds_count", {"family": "a"}) == 1


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """Samples by name and labels; sums of floats hang on the order of their parts."""
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    pairs = [line.rsplit(" ", 1) for line in lines if "_created" not in line]
    return {name: round(float(value), 3) for name, value in pairs}
