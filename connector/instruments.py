"""Kinds of metric that the client library does not have."""

import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override


class BatchHistogram(Collector):
    """A histogram with one label that takes many values at a time.

    A value costs a share of one sort; the library's own histogram takes a lock and a search for each.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        """``bounds`` are the buckets' upper ends, ascending; one without an end comes after them."""
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = bounds
        self._lock = threading.Lock()
        # Values at most as large as each bound, all values, and their sum; by label.
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        registry.register(self)

    def show(self, label: str) -> None:
        """Have the label's buckets stand at 0, unless they have counted already."""
        with self._lock:
            self._counts.setdefault(label, [0] * (len(self._bounds) + 1))
            self._sums.setdefault(label, 0.0)

    def observe(self, label: str, values: Iterable[float]) -> None:
        """Count all of these values."""
        self.show(label)
        ascending = sorted(values)
        with self._lock:
            counts = self._counts[label]
            for index, bound in enumerate(self._bounds):
                counts[index] += bisect_right(ascending, bound)
            counts[-1] += len(ascending)
            self._sums[label] += sum(ascending)

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """The metric without samples, so that the registry knows its names."""
        yield HistogramMetricFamily(self._name, self._documentation, labels=[self._label])

    @override
    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The metric as it stands."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        ends = [*map(floatToGoString, self._bounds), "+Inf"]
        with self._lock:
            for label, counts in self._counts.items():
                buckets = list(zip(ends, map(float, counts), strict=True))
                family.add_metric([label], buckets=buckets, sum_value=self._sums[label])
        yield family


class LoopCounter(Collector):
    """A counter for one thread alone: ``values`` by labels are plain numbers, read when they are asked for.

    Every delivery adds to some, and the library's own take a lock each time.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry
    ) -> None:
        self.name = name
        self._documentation = documentation
        self._labels = labels
        self.values: Counter[tuple[Hashable, ...]] = Counter()
        registry.register(self)

    def describe(self) -> Iterator[CounterMetricFamily]:
        """The metric without samples, so that the registry knows its names."""
        yield CounterMetricFamily(self.name, self._documentation, labels=self._labels)

    @override
    def collect(self) -> Iterator[CounterMetricFamily]:
        """The metric as it stands."""
        family = CounterMetricFamily(self.name, self._documentation, labels=self._labels)
        for labels, value in list(self.values.items()):
            family.add_metric([str(label) for label in labels], value)
        yield family


class LoopHistogram(Collector):
    """A histogram without labels for one thread alone; see ``LoopCounter``."""

    def __init__(
        self, name: str, documentation: str, *, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        """``bounds`` are the buckets' upper ends, ascending; one without an end comes after them."""
        self._name = name
        self._documentation = documentation
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """The metric without samples, so that the registry knows its names."""
        yield HistogramMetricFamily(self._name, self._documentation)

    @override
    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The metric as it stands."""
        ends = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(ends, map(float, accumulate(self._counts)), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)
