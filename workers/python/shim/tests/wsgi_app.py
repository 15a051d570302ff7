"""The WSGI application of the tests, and a worker of each model that runs it."""
import functools

from .front import Front
from .models import WSGI_MODELS
from .shared import shared

APP = """
import io, os, socket, sys, tempfile, threading, time
from wsgiref.validate import validator

PATCHED = socket.socket.__module__

class Body:
    def __init__(self, chunks, closed):
        self.chunks, self.closed = chunks, closed
    def __iter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            if callable(chunk):
                chunk()
            else:
                yield chunk
    def close(self):
        open(self.closed, "w").close()

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").replace("/", "_") or "index"
    return globals().get("do_" + name, path)(environ, start_response)

def text(start_response, *headers):
    return start_response("200 OK", [("Content-Type", "text/plain"), *headers])

def path(environ, start_response):
    text(start_response)
    return [repr(environ["PATH_INFO"]).encode()]

def do_patched(environ, start_response):
    text(start_response)
    return [PATCHED.encode()]

def do_index(environ, start_response):
    text(start_response, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    return [b"Hello, ", b"World!"]

def do_environ(environ, start_response):
    text(start_response)
    return [repr({k: v for k, v in environ.items() if isinstance(v, (str, bool, int, tuple))}).encode()]

def checked(environ, start_response):
    text(start_response)
    data = environ["wsgi.input"].read(5) + environ["wsgi.input"].read(-1)
    environ["wsgi.errors"].write("validated\\n")
    environ["wsgi.errors"].flush()
    return [b"valid " + data]
do_validate = validator(checked)

def do_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), ("X-Note", "caf\\u00e9")])
    while not os.path.exists("go"):
        time.sleep(0.005)
    environ["wsgi.early_hints"](iter([(b"link", b"</b.js>")]))
    write = text(start_response)
    write(b"body")
    environ["wsgi.early_hints"]([("Link", "</too-late>")])
    return []

def do_badhints(environ, start_response):
    environ["wsgi.early_hints"](["Link"])

def do_write(environ, start_response):
    write = text(start_response)
    write(b"one ")
    write(b"two ")
    return [b"three"]

def do_writethread(environ, start_response):
    write = text(start_response)
    writer = threading.Thread(target=lambda: [write(b"x" * 65536) for _ in range(20)])
    writer.start()
    writer.join()
    return [b"end"]

def do_writefails(environ, start_response):
    write = text(start_response)
    def fail(response):
        raise RuntimeError("no more")
    write.__self__.host.wait = fail
    def work():
        try:
            write(b"x" * 300000)  # more than the window
        except RuntimeError:
            pass
    writer = threading.Thread(target=work)
    writer.start()
    writer.join()
    return []

def do_stream(environ, start_response):
    text(start_response)
    def wait():
        while not os.path.exists("go"):
            time.sleep(0.005)
    return Body([b"first", b"", wait, b"second"], "closed")

def do_exact(environ, start_response):
    text(start_response, ("Content-Length", "5"))
    return Body([b"exact"], "closed")

def do_slowend(environ, start_response):
    text(start_response, ("Content-Length", "5"))
    def wait():
        while not os.path.exists("go"):
            time.sleep(0.005)
    return Body([b"exact", wait], "closed")

def do_toolong(environ, start_response):
    text(start_response, ("Content-Length", "5"))
    return Body([b"exact", b"more"], "closed")

def do_writelate(environ, start_response):
    write = text(start_response, ("Content-Length", "5"))
    def generate():
        yield b"exact"
        write(b"more")
    return generate()

def do_big(environ, start_response):
    text(start_response)
    return [b"x" * 1000000]

def do_raise(environ, start_response):
    raise ValueError("before")

def do_raiselate(environ, start_response):
    text(start_response)
    return Body([b"some", ValueError("after")], "closed")

def do_raisefirst(environ, start_response):
    text(start_response)
    return Body([b"", ValueError("before bytes")], "closed")

def do_exit(environ, start_response):
    sys.exit(7)

def do_excinfo(environ, start_response):
    text(start_response)
    try:
        raise KeyError("x")
    except KeyError:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"handled"]

def do_excinfolate(environ, start_response):
    write = text(start_response)
    write(b"sent")
    try:
        raise KeyError("late")
    except KeyError:
        start_response("500 Oops", [], sys.exc_info())
    return [b"never"]

def do_twice(environ, start_response):
    text(start_response)
    text(start_response)
    return [b""]

def do_nostart(environ, start_response):
    return [b"x"]

def do_str(environ, start_response):
    text(start_response)
    return ["text"]

def do_badheaders(environ, start_response):
    start_response("200 OK", {"a": "b", "cd": "e"})
    return [b"x"]

def do_badstatus(environ, start_response):
    start_response("OK", [])
    return [b"x"]

class Name(str):
    pass

def do_subclass(environ, start_response):
    start_response(Name("201 Created"), [(Name("X-Name"), Name("caf\\xe9"))])
    return [b"x"]

def do_unencodable(environ, start_response):
    start_response("200 OK", [(Name("X"), Name("\\u20ac"))])
    return [b"x"]

def do_one(environ, start_response):
    text(start_response)
    return [b"one"]

def do_onetuple(environ, start_response):
    text(start_response)
    return (b"one",)

def line_of(environ):
    from urllib.parse import unquote_to_bytes
    line = unquote_to_bytes(environ["QUERY_STRING"])
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")

def do_status(environ, start_response):
    start_response(line_of(environ), [])
    return [b"x"]

def do_statusstream(environ, start_response):
    start_response(line_of(environ), [])(b"x")
    return []

def do_late(environ, start_response):
    def generate():
        text(start_response)
        yield b"late "
        yield b"start"
    return generate()

def do_empty(environ, start_response):
    start_response("204 No Content", [])
    return []

def do_echo(environ, start_response):
    text(start_response)
    return [environ["wsgi.input"].read()]

def do_lines(environ, start_response):
    text(start_response)
    i = environ["wsgi.input"]
    parts = [i.readline(), i.readline(3), i.read(2), *i.readlines(1), *list(i), i.read(), i.read(10), i.readline()]
    return [repr(parts).encode()]

def do_file(environ, start_response):
    f = open("data", "rb")
    f.seek(10)
    text(start_response)
    return environ["wsgi.file_wrapper"](f, 4096)

def do_smallfile(environ, start_response):
    text(start_response)
    return environ["wsgi.file_wrapper"](open("small", "rb"))

def do_partfile(environ, start_response):
    text(start_response, ("Content-Length", "50000"))
    return environ["wsgi.file_wrapper"](open("data", "rb"))

def do_tempfile(environ, start_response):
    f = tempfile.NamedTemporaryFile()
    f.write(b"t" * 100000)
    f.seek(0)
    text(start_response)
    return environ["wsgi.file_wrapper"](f)

def do_memoryfile(environ, start_response):
    text(start_response)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"m" * 20000), 8192)

def do_gzipfile(environ, start_response):
    import gzip
    with gzip.open("zipped", "wb") as f:
        f.write(b"plain" * 10000)
    text(start_response)
    return environ["wsgi.file_wrapper"](gzip.open("zipped", "rb"))

def do_endless(environ, start_response):
    text(start_response)
    def forever():
        while True:
            yield b"z" * 10000
    class Endless:
        def __iter__(self):
            return forever()
        def close(self):
            open("closed", "w").close()
    return Endless()

def do_sleep(environ, start_response):
    open("sleeping-" + environ["QUERY_STRING"], "w").close()
    while not os.path.exists("go"):
        time.sleep(0.005)
    text(start_response)
    return [b"slept"]

def do_errors(environ, start_response):
    environ["wsgi.errors"].write("first line\\nsecond ")
    environ["wsgi.errors"].writelines(["line\\n", "third"])
    environ["wsgi.errors"].flush()
    environ["wsgi.errors"].write("never flushed")
    text(start_response)
    return [b"ok"]
"""


def every_model(alone=False, **hello):
    """Runs a test once with a worker of each model, which is the test's alone or shared with others."""
    start = Front if alone else shared

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for self.model in WSGI_MODELS:
                with self.subTest(model=self.model), start(APP, self.model, **hello) as front:
                    self.assertIsNone(front.failed)
                    test(self, front)

        return run

    return decorate
