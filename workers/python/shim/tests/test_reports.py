"""What workers report: the application's metrics (asteri_metrics) under every model, and what routes cost in memory."""
import importlib.util
import math
import os
import unittest

from .front import Front
from .models import TORNADO_MODELS, WSGI_MODELS
from .program import SHIM

METRICS, MEMORY = 137, 138

COUNTING = """
import atexit, os
from urllib.parse import parse_qs
from asteri_metrics import Counter, Gauge, Histogram

CALLS = Counter("calls_total", "Calls.", ["path"])
PLAIN = Counter("plain_total")
LEVEL = Gauge("level", merge="max")
SIZES = Histogram("sizes", "Sizes.", buckets=[1, 2])
atexit.register(PLAIN.inc, 10)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    CALLS.labels(path).inc()
    LEVEL.set(7)
    SIZES.observe(1.5)
    if path == "/fork":
        if not os.fork():
            PLAIN.inc(1000)
            import sys
            sys.exit()  # runs what the worker has registered for its end, and must say nothing
        os.wait()
    if path == "/many":
        for number in range(1200):
            CALLS.labels(number).inc()
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


def told(front):
    """(totals by (name, labels), updates lost) of all METRICS frames so far."""
    totals, lost = {}, 0
    for kind, payload in list(front.replies):
        if kind == METRICS:
            metrics, missing, _ = payload
            lost += missing
            for name, what, _, labels, _, series in metrics:
                for values, value in series:
                    assert len(values) == len(labels)
                    key = name, values
                    if what == "counter":
                        value += totals.get(key, 0)
                    totals[key] = value
    return totals, lost


class Metrics(unittest.TestCase):
    def test_every_model(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(COUNTING, model) as front:
                for _ in range(3):
                    front.call("/a")
                front.wait(lambda: told(front)[0].get(("calls_total", ("/a",))) == 3, "three calls")
                totals = told(front)[0]
                self.assertEqual(totals["plain_total", ()], 0)
                self.assertEqual(totals["level", ()], 7)
                # What was not told when the worker ends is told then, and what is counted by its end too.
                front.call("/a")
                front.call("/b")
                self.assertEqual(front.shutdown(), 0)
                front.wait(lambda: told(front)[0].get(("plain_total", ())) == 10, "the last report")
                totals = told(front)[0]
                self.assertEqual((totals["calls_total", ("/a",)], totals["calls_total", ("/b",)]), (4, 1))

    def test_definitions(self):
        with Front(COUNTING, "sync") as front:
            front.call("/a")
            front.wait(lambda: ("sizes", ()) in told(front)[0], "the histogram")
            found = {row[0]: row for kind, payload in front.replies if kind == METRICS for row in payload[0]}
        self.assertEqual(found["calls_total"][:5], ("calls_total", "counter", "Calls.", ("path",), ""))
        self.assertEqual(found["level"][1:5], ("gauge", "", (), "max"))
        self.assertEqual(found["sizes"], ("sizes", "histogram", "Sizes.", (), (1.0, 2.0), [((), (1.5, (0, 1, 0)))]))

    def test_bounded(self):
        with Front(COUNTING, "gthread") as front:
            front.call("/many")
            front.wait(lambda: sum(1 for name, _ in told(front)[0] if name == "calls_total") == 1000, "a thousand series")
            self.assertEqual(told(front)[1], 201)
            frames = [sum(len(row[5]) for row in payload[0]) for kind, payload in front.replies if kind == METRICS]
            self.assertLessEqual(max(frames), 500)

    def test_forked_children_say_nothing(self):
        with Front(COUNTING, "sync") as front:
            front.call("/fork")
            front.call("/a")
            self.assertEqual(front.shutdown(), 0)
            front.wait(lambda: told(front)[0].get(("calls_total", ("/a",))) == 1, "the last report")
            self.assertEqual(told(front)[0]["plain_total", ()], 10)

    def test_threads_lose_nothing(self):
        source = """
            import threading
            from asteri_metrics import Counter
            PLAIN = Counter("plain_total")
            def count():
                for _ in range(2000):
                    PLAIN.inc()
            def app(environ, start_response):
                threads = [threading.Thread(target=count) for _ in range(8)]
                for t in threads: t.start()
                for t in threads: t.join()
                start_response("200 OK", [("Content-Length", "0")])
                return []
        """
        for model in [m for m in ("gthread", "gevent") if m in WSGI_MODELS]:
            with self.subTest(model=model), Front(source, model) as front:
                front.call("/")
                front.wait(lambda: told(front)[0].get(("plain_total", ())) == 16000, "all of them")


class Elsewhere(unittest.TestCase):
    """The module where no worker is, as in an application's own tests."""

    def setUp(self):
        spec = importlib.util.spec_from_file_location("elsewhere", os.path.join(SHIM, "asteri_metrics.py"))
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def test_mistakes_are_found(self):
        m = self.module
        counter = m.Counter("orders_total", "Orders.", ["country"])
        for wrong in (
            lambda: m.Counter("orders total"), lambda: m.Counter("caf\u00e9"), lambda: m.Counter("x" * 101), lambda: m.Counter(""),
            lambda: m.Counter("a", labels=["le"]), lambda: m.Counter("a", labels=["app"]), lambda: m.Counter("a", labels=["__a"]),
            lambda: m.Counter("a", labels=["b", "b"]), lambda: m.Counter("a", labels=["b%d" % n for n in range(11)]),
            lambda: m.Counter("orders_total"), lambda: m.Gauge("orders_total", labels=["country"]), lambda: m.Gauge("g", merge="mean"),
            lambda: m.Histogram("h", buckets=[]), lambda: m.Histogram("h", buckets=[2, 1]), lambda: m.Histogram("h", buckets=[math.nan]),
            lambda: counter.inc(), lambda: counter.labels(), lambda: counter.labels("a", "b"), lambda: counter.labels(town="b"),
            lambda: counter.labels("a", country="b"), lambda: counter.labels("a").inc(-1), lambda: counter.labels("a").inc(math.inf),
        ):
            with self.assertRaises(ValueError):
                wrong()
        with self.assertRaises(TypeError):
            m.Counter("a", labels="country")
        self.assertIs(m.Counter("orders_total", "Orders.", ["country"]), counter)

    def test_metrics_are_bounded(self):
        for number in range(self.module.MAX_METRICS):
            self.module.Counter("c%d" % number)
        with self.assertRaises(ValueError):
            self.module.Counter("more")

    def test_values(self):
        m = self.module

        class Name(str):
            def __str__(self):
                return self

        counter = m.Counter("c", labels=["a", "b"])
        counter.labels(1, b=Name("y" * 200)).inc(2)
        counter.labels("1", "y" * 200).inc()
        gauge = m.Gauge("g")
        gauge.inc(3)
        gauge.dec()
        histogram = m.Histogram("h", buckets=(1, math.inf))
        with histogram.time():
            pass
        found = {metric.name: series for metric, series in m.collect()[0].items()}
        self.assertEqual(found["c"], [(("1", "y" * 100), 3.0)])
        self.assertIs(type(found["c"][0][0][1]), str)
        self.assertEqual(found["g"], [((), 2.0)])
        self.assertEqual(found["h"][0][1][1], (1, 0))
        self.assertEqual(m.collect(), ({}, 0, 0))

    def test_observations_that_are_no_number(self):
        m = self.module
        histogram = m.Histogram("h", buckets=(1,))
        for value in (math.nan, math.inf, -math.inf, 0.5):
            histogram.observe(value)
        found, lost, invalid = m.collect()
        self.assertEqual((list(found.values()), lost, invalid), ([[((), (0.5, (1, 0)))]], 0, 3))
        self.assertEqual(m.collect(), ({}, 0, 0))


LEAKING = """
import time
KEPT = []
def app(environ, start_response):
    if environ["PATH_INFO"].startswith("/leak"):
        KEPT.append(bytearray(b"x") * (2 << 20))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

LEAKING_ASGI = """
KEPT = []
class Route:
    path = "/leak/{number}"
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError
    if scope["path"].startswith("/leak"):
        scope["route"] = Route
        KEPT.append(bytearray(b"x") * (512 << 10))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""

LEAKING_TORNADO = """
from tornado import web
KEPT = []
class Leak(web.RequestHandler):
    def get(self):
        KEPT.append(bytearray(b"x") * (512 << 10))
class Fine(web.RequestHandler):
    async def get(self):
        self.write("ok")
app = web.Application([("/leak/.*", Leak), ("/.*", Fine)])
"""


def grown(front):
    """Bytes by route, and requests that were measured."""
    grown, measured = {}, 0
    for kind, payload in list(front.replies):
        if kind == MEMORY:
            for method, route, requests, some, _ in payload:
                grown[method, route] = grown.get((method, route), 0) + some
                measured += requests
    return grown, measured


@unittest.skipUnless(os.path.exists("/proc/self/statm"), "the system does not tell")
class Memory(unittest.TestCase):
    def leak(self, front, leak, fine):
        """Of 10 requests one route keeps 2 MiB each, in the company of many that keep nothing."""
        # Few and large: Linux counts pages by processor and adds them up late, so a part of each growth, some 32 pages
        # a processor, may be found with the next request.
        for number in range(10):
            front.wait_done(*front.post_batch([front.request(fine) for _ in range(10)] + [front.request("/leak/%d" % number)]))
        self.assertEqual(front.shutdown(), 0)
        front.wait(lambda: front.closed and grown(front)[1], "a report")
        return grown(front)[0]

    def test_one_at_a_time(self):
        for model in [m for m in ("sync", "tornado") if m in WSGI_MODELS]:
            with self.subTest(model=model), Front(LEAKING, model) as front:
                found = self.leak(front, "/leak/*", "/fine")
                self.assertGreater(found.get(("GET", "/leak/*"), 0), 10 << 20, found)
                self.assertLess(found.get(("GET", "/fine"), 0), 4 << 20, found)
                self.assertGreater(sum(found.values()), 18 << 20, found)

    def test_sampled(self):
        cases = [("gthread", LEAKING, "/leak/*"), ("gevent", LEAKING, "/leak/*"), ("asgi", LEAKING, "/leak/*")]
        cases += [("asgi", LEAKING_ASGI, "/leak/{number}")] + [(m, LEAKING_TORNADO, "/leak/*") for m in TORNADO_MODELS]
        for model, source, leak in cases:
            if model not in WSGI_MODELS:
                continue
            with self.subTest(model=model, source=source), Front(source, model) as front:
                for number in range(60):
                    front.call("/fine", headers=[("Host", "x")])
                    front.call("/leak/%d" % number, headers=[("Host", "x")])
                self.assertEqual(front.shutdown(), 0)
                front.wait(lambda: front.closed and grown(front)[1], "a report")
                found = grown(front)[0]
                self.assertGreater(found.get(("GET", leak), 0), 4 << 20, found)
                self.assertGreater(found["GET", leak], 4 * found.get(("GET", "/fine"), 0), found)

    def test_nothing_grows_nothing_is_said(self):
        with Front(LEAKING, "sync") as front:
            for _ in range(50):
                front.call("/fine")
            before = len(front.replies)
            for _ in range(50):
                front.call("/fine/12345678/deadbeef00")
            front.shutdown()
            self.assertLessEqual(len(front.replies) - before, 3)
