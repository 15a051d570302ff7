"""What an application may fail with and answer, at its largest and ugliest: /NAME does so before the response begins,
/NAME?late in the middle of it, /NAME?close behind it. `app` is WSGI, `asgi` and make_tornado() are the same for others.
/names lists them all."""
import os
import sys
import threading

BIG = 9 << 20


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class MuteForGood(Exception):
    def __str__(self):
        raise KeyboardInterrupt

    __repr__ = __str__


class Number(Exception):
    def __str__(self):
        return 5


class Homeless(Exception):
    pass


Homeless.__module__ = None


class Meta(type):
    def __getattribute__(cls, name):
        raise SystemExit("the class does not say its " + name)


class Masked(Exception, metaclass=Meta):
    pass


class Chained(Exception):
    @property
    def __cause__(self):
        raise ValueError("no cause")


class Words(str):
    def encode(self, *args):
        raise SystemExit(7)


class Status(int):
    def __index__(self):
        raise SystemExit(8)


class Own(BaseException):
    pass


def text(size):
    raise ValueError("x" * size)


def key():
    return {}["k" * BIG]


def wide():
    raise ValueError("\U0001f600" * (BIG // 4))


def lines():
    raise ValueError("\n" * BIG)


def surrogates():
    raise ValueError("\ud800" * BIG)


def nul():
    raise ValueError("\0" * BIG)


def recursion():
    return recursion()


def deep(left=9000):
    if not left:
        raise ValueError("at the bottom")
    deep(left - 1)


def deep_traceback():
    sys.setrecursionlimit(20000)
    threading.stack_size()
    try:
        deep()
    finally:
        sys.setrecursionlimit(1000)


def mixed(left=200):
    """No two frames in a row are the same: nothing is folded."""
    scope = {}
    exec(compile("\n" * left + "def step(left, again):\n again(left - 1)", "f" * 5000 + str(left), "exec"), scope)
    if not left:
        raise ValueError("at the bottom")
    scope["step"](left, mixed)


def chain():
    error = None
    for n in range(5000):
        try:
            raise ValueError("cause %d" % n) from error
        except ValueError as caught:
            error = caught
    raise error


def loop():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    raise one


def group():
    error = ValueError("leaf " + "x" * 100000)
    for n in range(50):
        error = ExceptionGroup("group " + "y" * 100000, [error] * 20)  # noqa: F821
    raise error


def notes():
    error = ValueError("noted")
    error.__notes__ = [Mute(), 5, "n" * BIG]
    raise error


def syntax():
    error = SyntaxError("bad", ("file", "one", "two", 4))
    error.text, error.offset, error.end_offset = "x" * BIG, 10**9, "end"
    raise error


def name():
    raise type("N" * BIG, (Exception,), {})("named")


FAULTS = {
    "big": lambda: text(BIG), "key": key, "float": lambda: float("1" * BIG + "x"), "wide": wide, "lines": lines, "surrogates": surrogates,
    "nul": nul, "recursion": recursion, "deep": deep_traceback, "mixed": mixed, "chain": chain, "loop": loop, "notes": notes, "syntax": syntax,
    "name": name,
}
if sys.version_info >= (3, 11):
    FAULTS["group"] = group
for kind in (Mute, MuteForGood, Number, Homeless, Masked, Chained, Own, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration, MemoryError):
    def fault(kind=kind):
        raise kind()
    FAULTS[type.__getattribute__(kind, "__name__")] = fault


def leave():
    raise SystemExit(Mute())


FAULTS["leave"] = leave
HEADS = {
    "words": ("200 OK", [("X-Words", Words("w"))]),
    "large-field": ("200 OK", [("X-Large", "v" * (17 << 20))]),
    "number-field": ("200 OK", [("X-Number", 5)]),
    "surrogate-field": ("200 OK", [("X-Bad", "\ud800")]),
    "none-field": ("200 OK", [(None, None)]),
    "list-field": ("200 OK", [("X-List", [[]])]),

    "three": ("200 OK", [("a", "b", "c")]),
    "many": ("200 OK", [("X", "v")] * 5000),
}
nest = []
for _ in range(5000):
    nest = [nest]
HEADS["deep-field"] = ("200 OK", [("X-Deep", nest)])
STATUSES = {
    "status-text": "200", "status-float": 200.5, "status-huge": 10**40, "status-negative": -1, "status-zero": 0, "status-true": True,
    "status-own": Status(200), "status-list": [200], "status-bytes": b"200", "status-nest": nest,
}
PLAIN = ("200 OK", [("Content-Type", "text/plain")])


NAMES = [n + q for n in FAULTS for q in ("", "?late")] + ["big?close", "Own?close", "leave?close", "big?errors"] + list(STATUSES) + [
    n + q for n in HEADS for q in ("", "?late", "?hints", "?trailers")]


def late(fault):
    yield b"x" * 100000
    fault()


def app(environ, start_response):
    path, query = environ["PATH_INFO"][1:], environ["QUERY_STRING"]
    if path in FAULTS:
        if query == "late":
            start_response(*PLAIN)
            return late(FAULTS[path])
        if query == "errors":
            environ["wsgi.errors"].write("\ud800" * BIG)
            environ["wsgi.errors"].write("e" * BIG)
        if query == "close":
            class Body(list):
                def close(self):
                    FAULTS[path]()
            start_response(*PLAIN)
            return Body([b"whole"])
        FAULTS[path]()
    if path in HEADS:
        write = start_response(*HEADS[path])
        if query == "late":
            write(b"x" * 100)
        if query == "hints":
            environ["wsgi.early_hints"](HEADS[path][1])
        return [b"sent"]
    if path in STATUSES:
        start_response(STATUSES[path], [])
        return [b"sent"]
    start_response(*PLAIN)
    return [" ".join(NAMES).encode() if path == "names" else b"%d" % os.getpid()]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("L" * BIG)
    path, query = scope["path"][1:], scope["query_string"]
    if scope["type"] == "websocket":
        await receive()
        if query != b"refuse":
            await send({"type": "websocket.accept", **({"headers": HEADS[path][1]} if path in HEADS else {})})
        if path in FAULTS:
            FAULTS[path]()
        await send({"type": "websocket.close", "code": 10**40 if path == "code" else 1000, "reason": "\ud800" * BIG})
        return
    begin = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if path in HEADS:
        fields = HEADS[path][1]
        if query == b"trailers":
            await send({**begin, "trailers": True})
            await send({"type": "http.response.body", "body": b"body"})
            await send({"type": "http.response.trailers", "headers": fields})
            return
        if query == b"hints":
            await send({"type": "http.response.early_hint", "links": [value for field in fields for value in field]})
        begin["headers"] = fields
    if path in STATUSES:
        begin["status"] = STATUSES[path]
    if path in FAULTS and query != b"late":
        if query == b"close":
            await send(begin)
            await send({"type": "http.response.body", "body": b"whole"})
        FAULTS[path]()
    await send(begin)
    if query == b"late":
        await send({"type": "http.response.body", "body": b"x" * 100000, "more_body": True})
        if path in FAULTS:
            FAULTS[path]()
    await send({"type": "http.response.body", "body": " ".join(NAMES).encode() if path == "names" else b"%d" % os.getpid()})


def make_tornado():
    from tornado import web

    class Ugly(web.RequestHandler):
        async def get(self, path):
            query = self.request.query
            self.set_header("Content-Type", "text/plain")
            if path in HEADS:
                for name, value in HEADS[path][1]:
                    self._headers._dict[name] = value  # Tornado's own checks are not what is tested
                    self._headers._as_list = {**self._headers._as_list, name: [value]}
            if path in STATUSES:
                self._status_code = STATUSES[path]
            if query == "late":
                self.write(b"x" * 100000)
                self.flush()
            if query == "close":
                self.finish(b"whole")
            if path in FAULTS:
                FAULTS[path]()
            # Tornado logs exceptions by Python's logging, which takes for ever for these, or fails.
            names = [name for name in NAMES if not name.startswith(("group", "syntax", "lines"))]
            self.write(" ".join(names) if path == "names" else "%d" % os.getpid())

    return web.Application([("/(.*)", Ugly)])
