"""WSGI to the letter (PEP 3333): every route is one promise of the interface.

`app` is the bare application, `validated` the same under wsgiref.validate,
which turns any breach by the server into an AssertionError.
"""

import hashlib
import io
import json
import os
import sys
import threading
from urllib.parse import parse_qs
from wsgiref.validate import validator

closed = threading.Semaphore(0)


def app(environ, start_response):
    handler = ROUTES.get(environ["PATH_INFO"], echo_path)
    arguments = {key: values[-1] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    return handler(environ, start_response, **arguments)


def text(start_response, body, *headers, status="200 OK"):
    body = body.encode() if isinstance(body, str) else body
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"),
                            ("Content-Length", str(len(body))), *headers])
    return [body]


def echo_path(environ, start_response):
    """The bytes of PATH_INFO in hex: percent-decoded, then latin-1."""
    return text(start_response, environ["PATH_INFO"].encode("latin-1").hex())


def show_environ(environ, start_response, **arguments):
    shown = {key: value for key, value in environ.items() if isinstance(value, (str, int, bool, tuple))}
    return text(start_response, json.dumps(shown), status="200 OK")


def pid(environ, start_response, **arguments):
    return text(start_response, str(os.getpid()))


def write(environ, start_response):
    """The write() callable, mixed with an iterable: writes come first."""
    put = start_response("200 OK", [("Content-Type", "text/plain")])
    put(b"one,")
    put(b"two,")
    return [b"three"]


def hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload; as=style")])
    return text(start_response, "hinted")


def cookies(environ, start_response):
    return text(start_response, "two", ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; HttpOnly"))


class Closing:
    """An iterable that tells /closed when the server closed it."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        closed.release()


def generator(environ, start_response, n="3"):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing(b"piece %d\n" % number for number in range(int(n)))


def endless(environ, start_response):
    """Ends only when the server closes it, because the client went."""
    start_response("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        while True:
            yield b"x" * 65536

    return Closing(pieces())


def was_closed(environ, start_response):
    return text(start_response, "closed" if closed.acquire(timeout=10) else "never closed")


def exc_info_before(environ, start_response):
    """Nothing was sent yet: exc_info replaces the status and the headers."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "yes")])
    try:
        raise ValueError("changed my mind")
    except ValueError:
        start_response("503 Changed", [("Content-Type", "text/plain"), ("Content-Length", "7")], sys.exc_info())
    return [b"changed"]


def exc_info_after(environ, start_response):
    """The head is out: start_response must raise exc_info, and the client sees a reset."""
    put = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000")])
    put(b"x" * 10)
    try:
        raise ValueError("too late for a clean error")
    except ValueError:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"y" * 990]


def started_twice(environ, start_response):
    """Without exc_info a second start_response is an error of the application."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        start_response("200 OK", [("Content-Type", "text/plain")])
    except Exception as error:
        return [type(error).__name__.encode()]
    return [b"allowed"]


def status(environ, start_response, line="204 No Content"):
    start_response(line, [])
    return []


def head_length(environ, start_response):
    """HEAD must keep the Content-Length and drop the body."""
    return text(start_response, "x" * 1234)


def read_all(stream, environ):
    return stream.read(int(environ["CONTENT_LENGTH"] or 0))


def read_to_end(stream, environ):
    return stream.read()


def read_pieces(stream, environ):
    return b"".join(iter(lambda: stream.read(7), b""))


def read_lines(stream, environ):
    return b"".join(iter(stream.readline, b""))


def read_lines_at_most(stream, environ):
    return b"".join(iter(lambda: stream.readline(5), b""))


def read_iterating(stream, environ):
    return b"".join(stream)


def read_readlines(stream, environ):
    return b"".join(stream.readlines())


def read_mixed(stream, environ):
    return stream.readline() + stream.read(3) + b"".join(stream.readlines(10)) + stream.read()


def read_past_end(stream, environ):
    body = stream.read(1 << 30)
    return body if stream.read(1) == b"" and stream.read() == b"" and stream.readline() == b"" else b"not at its end"


def read_body(environ, start_response, how="all"):
    body = globals()["read_" + how](environ["wsgi.input"], environ)
    return text(start_response, hashlib.sha256(body).hexdigest())


def unread(environ, start_response):
    """A body that is never read must not spoil the next request."""
    return text(start_response, "did not look")


def file_wrapper(environ, start_response, offset="0"):
    file = open(__file__, "rb")
    file.seek(int(offset))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](file, 4096)


def file_wrapper_length(environ, start_response):
    """Content-Length says less than the file holds: exactly that much is sent."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def file_wrapper_memory(environ, start_response):
    """No descriptor behind it: the wrapper is iterated."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"m" * 100_000))


def errors(environ, start_response, line=""):
    environ["wsgi.errors"].write(f"complained about {line}\n")
    environ["wsgi.errors"].flush()
    print(f"printed {line}", flush=True)
    return text(start_response, "logged")


def raises(environ, start_response):
    raise RuntimeError("the secret of the failing call")


def raises_midway(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"the beginning"
    raise RuntimeError("the secret of the failing iterable")


def short(environ, start_response):
    """Less than announced: the client must see a reset, not a clean end."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
    return [b"ten bytes."]


def wide(environ, start_response):
    """A letter that no header field can hold."""
    return text(start_response, "never sent", ("X-Wide", "\u20ac"))


def header_injection(environ, start_response):
    return text(start_response, "never sent", ("X-Bad", "a\r\nSet-Cookie: stolen=1"))


def hop_by_hop(environ, start_response):
    return text(start_response, "never chunked", ("Transfer-Encoding", "chunked"))


def not_bytes(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["a str"]


def never_started(environ, start_response):
    return [b"no head"]


def subclassed(environ, start_response):
    """Values of subclasses of str and bytes are values like others."""

    class Text(str):
        pass

    class Bytes(bytes):
        pass

    start_response(Text("200 OK"), [(Text("Content-Type"), Text("text/plain")), ("X-Text", Text("kept"))])
    return [Bytes(b"subclassed")]


ROUTES = {
    "/environ": show_environ, "/pid": pid, "/write": write, "/hints": hints, "/cookies": cookies,
    "/generator": generator, "/endless": endless, "/closed": was_closed,
    "/exc-info-before": exc_info_before, "/exc-info-after": exc_info_after, "/started-twice": started_twice,
    "/status": status, "/head": head_length, "/read": read_body, "/unread": unread,
    "/file": file_wrapper, "/file-length": file_wrapper_length, "/file-memory": file_wrapper_memory,
    "/errors": errors, "/raises": raises, "/raises-midway": raises_midway, "/short": short,
    "/header-injection": header_injection, "/hop-by-hop": hop_by_hop, "/not-bytes": not_bytes,
    "/never-started": never_started, "/subclassed": subclassed, "/wide": wide,
}

checked = validator(app)


def validated(environ, start_response):
    """With the signature that tells WSGI from ASGI, which the validator's own lacks."""
    return checked(environ, start_response)
