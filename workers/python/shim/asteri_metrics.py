"""Metrics of an application that asteri-loop serves: counters, gauges and histograms, for all workers together at /metrics.

    from asteri_metrics import Counter

    ORDERS = Counter("shop_orders_total", "Orders taken.", ["country"])
    ORDERS.labels("id").inc()

A worker of asteri-loop has this module already. Where the application runs elsewhere (its tests, a management command,
another server) a copy of this one file behaves the same, and nobody collects what is counted. It needs Python 3.9 and
nothing else. Everything may be called from any thread and from greenlets; nothing waits.
"""
import os
import re
from _thread import RLock  # the native one, also under gevent. Reentrant: for handlers of signals, and finalizers
from bisect import bisect_left
from contextlib import contextmanager
from time import perf_counter, time

__all__ = ["Counter", "Gauge", "Histogram", "DEFAULT_BUCKETS"]

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

MAX_METRICS = 200
MAX_SERIES = 1000  # of a metric: combinations of the values of its labels
MAX_LABELS = 10
MAX_BUCKETS = 40
MAX_NAME = 100  # characters of a metric's name, and of a label's
MAX_VALUE = 100  # of a label's value; longer ones are cut
MAX_HELP = 300

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z")
_RESERVED = {"app", "le", "quantile"}  # app: the server says by it which mount a series is of
_MERGES = ("sum", "max", "min", "latest")
_INFINITY = float("inf")

_lock = RLock()
# A child that is forked finds what the lock guards whole, and the lock free.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_metrics = {}  # by name
_changed = []  # series that have something new to tell, each once
_lost = 0  # updates of series beyond MAX_SERIES
_invalid = 0  # observations that are no finite number
_on_change = None  # the worker's, called when something is new after nothing was


class _Metric:
    """What the three kinds have in common. A name is defined once; the same definition again gives the same metric."""

    kind = ""
    detail = ""  # a gauge's rule, a histogram's bounds

    def __new__(cls, name, help="", labels=(), **options):
        metric = super().__new__(cls)
        metric._define(name, help, labels)
        metric._options(**options)
        with _lock:
            known = _metrics.get(name)
            if known is None:
                if len(_metrics) >= MAX_METRICS:
                    raise ValueError("there are %d metrics already: no room for %s" % (MAX_METRICS, name))
                _metrics[name] = metric
                if not metric.label_names:
                    metric.labels()
                return metric
        if (known.kind, known.label_names, known.detail) != (metric.kind, metric.label_names, metric.detail):
            raise ValueError("the metric %s is defined already, and differently" % name)
        return known

    def _define(self, name, help, labels):
        if isinstance(labels, str):
            raise TypeError("labels is a list of names")
        labels = tuple(labels)
        if not (isinstance(name, str) and _NAME.match(name) and len(name) <= MAX_NAME):
            raise ValueError("%r is no name for a metric: letters, digits, _ and :, at most %d" % (name, MAX_NAME))
        for label in labels:
            if not (isinstance(label, str) and _LABEL.match(label) and len(label) <= MAX_NAME) or label in _RESERVED:
                raise ValueError("%r is no name for a label of %s" % (label, name))
        if len(labels) > MAX_LABELS or len(set(labels)) < len(labels):
            raise ValueError("%s has more than %d labels, or one of them twice" % (name, MAX_LABELS))
        # Exact str, which is all that marshal takes.
        self.name, self.help = "".join((name,)), "".join((str(help)[:MAX_HELP],))
        self.label_names = tuple(["".join((label,)) for label in labels])
        self._series = {}

    def _options(self):
        pass

    def labels(self, *values, **named):
        """The series with these values of the labels, in their order or by name."""
        if named:
            try:
                values += tuple([named.pop(name) for name in self.label_names[len(values):]])
            except KeyError as missing:
                raise ValueError("%s has a label %s" % (self.name, missing)) from None
        if named or len(values) != len(self.label_names):
            raise ValueError("%s has the labels %s" % (self.name, ", ".join(self.label_names) or "(none)"))
        try:
            return self._series[values]
        except (KeyError, TypeError):
            return self._new_series(tuple(["".join((str(value),))[:MAX_VALUE] for value in values]))

    def _new_series(self, values):
        with _lock:
            series = self._series.get(values)
            if series is None:
                if len(self._series) >= MAX_SERIES:
                    return _nowhere
                series = self._series[values] = self._one(self, values)
                if self.kind != "gauge":
                    series._note()  # 0 is worth telling: what grows from nothing would not be seen to grow
            return series


class _Series:
    """One combination of labels."""

    __slots__ = ("metric", "values", "value", "changed")

    def __init__(self, metric, values):
        self.metric, self.values, self.value, self.changed = metric, values, 0.0, False

    def _note(self):
        """Under the lock: there is something to tell."""
        self.changed = True
        _changed.append(self)
        if _on_change is not None and len(_changed) == 1:
            _on_change()

    def take(self):
        """Under the lock: what has come since the last time."""
        value, self.value = self.value, 0.0
        return float(value)


class _Counting(_Series):
    __slots__ = ()

    def inc(self, amount=1):
        if not 0 <= amount < _INFINITY:
            raise ValueError("a counter grows; %r is not by how much" % (amount,))
        with _lock:
            self.value += amount
            if not self.changed:
                self._note()


class Counter(_Metric):
    """Something that only grows: Counter(name, help, labels). Names end with _total, by convention."""

    kind, _one = "counter", _Counting

    def inc(self, amount=1):
        self.labels().inc(amount)


class _Measuring(_Series):
    __slots__ = ()

    def set(self, value):
        value = float(value)
        with _lock:
            self.value = value
            if not self.changed:
                self._note()

    def inc(self, amount=1):
        with _lock:
            self.set(self.value + amount)

    def dec(self, amount=1):
        self.inc(-amount)

    def set_to_current_time(self):
        self.set(time())

    def take(self):
        return self.value


class Gauge(_Metric):
    """Something that goes up and down: Gauge(name, help, labels, merge="sum").

    merge says what is shown of several workers: the "sum", "max" or "min" over those that live and have set it, or the
    value that was set "latest", which stays when its worker ends."""

    kind, _one = "gauge", _Measuring

    def _options(self, merge="sum"):
        if merge not in _MERGES:
            raise ValueError("merge is one of " + ", ".join(_MERGES))
        self.detail = merge

    def set(self, value):
        self.labels().set(value)

    def inc(self, amount=1):
        self.labels().inc(amount)

    def dec(self, amount=1):
        self.labels().dec(amount)

    def set_to_current_time(self):
        self.labels().set_to_current_time()


class _Distributing(_Series):
    __slots__ = ("bounds", "counts")

    def __init__(self, metric, values):
        super().__init__(metric, values)
        self.bounds = metric.detail
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value):
        global _invalid
        with _lock:
            if not -_INFINITY < value < _INFINITY:
                _invalid += 1  # it is measured, not written: no reason to fail a request
                return
            self.counts[bisect_left(self.bounds, value)] += 1
            self.value += value
            if not self.changed:
                self._note()

    @contextmanager
    def time(self):
        """Observes how long a block takes, in seconds."""
        began = perf_counter()
        try:
            yield
        finally:
            self.observe(perf_counter() - began)

    def take(self):
        counts, self.counts = self.counts, [0] * len(self.counts)
        return super().take(), tuple(counts)


class Histogram(_Metric):
    """How values are distributed: Histogram(name, help, labels, buckets=DEFAULT_BUCKETS); the last bucket, for what is
    beyond all bounds, is there by itself."""

    kind, _one = "histogram", _Distributing

    def _options(self, buckets=DEFAULT_BUCKETS):
        bounds = [float(bound) for bound in buckets]
        if bounds and bounds[-1] == _INFINITY:
            bounds.pop()
        if not 1 <= len(bounds) <= MAX_BUCKETS or not all(a < b for a, b in zip([-_INFINITY] + bounds, bounds + [_INFINITY])):
            raise ValueError("buckets are 1 to %d bounds that grow" % MAX_BUCKETS)
        self.detail = tuple(bounds)

    def observe(self, value):
        self.labels().observe(value)

    def time(self):
        return self.labels().time()


class _Nowhere:
    """Takes what is beyond the bounds, and counts it."""

    def lose(self, *_):
        global _lost
        with _lock:
            _lost += 1

    inc = dec = set = set_to_current_time = observe = lose

    @contextmanager
    def time(self):
        yield
        self.lose()


_nowhere = _Nowhere()


# For the worker.

def connect(on_change):
    """on_change() is called, under a lock, when something is new after nothing was."""
    global _on_change
    with _lock:
        _on_change = on_change
        if _changed:
            on_change()


def collect():
    """What is new: ({metric: [(values, value), ...]}, updates lost, updates that are invalid)."""
    global _lost, _invalid
    found = {}
    with _lock:
        changed, lost, invalid = _changed[:], _lost, _invalid
        _lost = _invalid = 0
        _changed.clear()
        for series in changed:
            series.changed = False
            found.setdefault(series.metric, []).append((series.values, series.take()))
    return found, lost, invalid


def _forked():
    """In a child of the worker: another thread may have held the lock, and nobody collects here."""
    global _lock, _on_change
    _lock, _on_change = RLock(), None


os.register_at_fork(after_in_child=_forked)
