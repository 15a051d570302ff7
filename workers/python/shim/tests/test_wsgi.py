"""WSGI under every model: PEP 3333, delivery, back-pressure, cancellation."""
import functools
import unittest

from .front import (
    ABORT, ANSWERS, DATA, FILE, PING, PONG, RECALL, RECALLED, SHUTDOWN, STACK, STACKS, START, Front, frame,
)
from .models import WSGI_MODELS

APP = """
import io, os, sys, tempfile, threading, time
from wsgiref.validate import validator

CLOSED = []

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
    return globals()["do_" + name](environ, start_response)

def text(start_response, *headers):
    return start_response("200 OK", [("Content-Type", "text/plain"), *headers])

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


def every_model(**hello):
    """Runs a test once with a worker of each model."""

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for self.model in WSGI_MODELS:
                with self.subTest(model=self.model), Front(APP, self.model, **hello) as front:
                    self.assertIsNone(front.failed)
                    test(self, front)

        return run

    return decorate


class EveryModel(unittest.TestCase):
    """Each test has a worker of its own."""

    @every_model()
    def test_whole_answers(self, front):
        streams = front.post_batch([front.request() for _ in range(200)])
        front.wait_done(*streams)
        for stream in streams:
            self.assertEqual((stream.status, bytes(stream.body)), (200, b"Hello, World!"))
            self.assertEqual(stream.header("set-cookie"), ["a=1", "b=2"])
            self.assertEqual(stream.kinds, [ANSWERS])

    @every_model(root_path="/mount", multiprocess=False)
    def test_environ(self, front):
        stream = front.call("/mount/environ", query="a=%20&b=2", headers=[("Host", "example.org:81"), ("Accept", "text/html")])
        environ = eval(stream.body)
        expected = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/mount", "PATH_INFO": "/environ", "QUERY_STRING": "a=%20&b=2",
            "RAW_URI": "/mount/environ?a=%20&b=2", "REQUEST_URI": "/mount/environ?a=%20&b=2",
            "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "10.0.0.1", "SERVER_PORT": "8080", "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "5000", "SERVER_SOFTWARE": "asteri-loop/test", "HTTP_HOST": "example.org:81",
            "HTTP_ACCEPT": "text/html", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.run_once": False,
            "wsgi.multiprocess": False, "wsgi.input_terminated": True,
            "wsgi.multithread": self.model in ("gthread", "gevent", "asgi", "gtornado"),
        }
        self.assertEqual(environ, expected)

    @every_model(root_path="/mount/")
    def test_paths(self, front):
        def environ(path, **kwargs):
            return eval(front.call(path, **kwargs).body)

        seen = environ("/mount/environ")
        self.assertEqual((seen["SCRIPT_NAME"], seen["PATH_INFO"]), ("/mount", "/environ"))
        seen = environ("/environ", server=("/run/app.sock", None), client=None, headers=[("Host", "site.example")], scheme="https")
        self.assertEqual((seen["PATH_INFO"], seen["SERVER_NAME"], seen["SERVER_PORT"], seen["REMOTE_ADDR"]),
                         ("/environ", "site.example", "443", ""))
        seen = environ("/%65nviron/")
        self.assertEqual(seen["PATH_INFO"], "/environ/")
        seen = environ("/proxy/environ", headers=[("SCRIPT_NAME", "/proxy"), ("REMOTE_USER", "bob")], client=("192.0.2.1", 0))
        self.assertEqual([seen[k] for k in ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "REMOTE_ADDR", "REMOTE_PORT")],
                         ["/proxy", "/environ", "bob", "192.0.2.1", ""])

    def test_latin1_path(self):
        source = "def app(e, s):\n s('200 OK', [])\n return [repr(e['PATH_INFO']).encode()]"
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(source, model) as front:
                self.assertEqual(eval(front.call("/caf%C3%A9%2F%00").body), "/caf\xc3\xa9/\x00")

    @every_model()
    def test_validator(self, front):
        stream = front.call("/validate", method="POST", body=b"some body", headers=[("Content-Length", "9"), ("Host", "x")])
        self.assertEqual(bytes(stream.body), b"valid some body", stream.error)
        front.wait(lambda: any(m == "validated" for _, _, m, _ in front.logs), "the log line")

    @every_model()
    def test_write(self, front):
        stream = front.call("/write")
        self.assertEqual(bytes(stream.body), b"one two three")
        self.assertEqual(stream.chunks[:2], [b"one ", b"two "])

    @every_model()
    def test_early_hints(self, front):
        stream = front.start("/hints")
        first = (103, ("Link", "</a.css>; rel=preload", "X-Note", "caf\u00e9"))
        front.wait(lambda: stream.informs == [first], "the hints while the call still runs")
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual((stream.informs, bytes(stream.body)), ([first, (103, (b"link", b"</b.js>"))], b"body"))
        stream = front.call("/badhints")
        self.assertEqual((stream.informs, "TypeError" in stream.error[0]), ([], True))

    @every_model()
    def test_generators_are_streamed(self, front):
        stream = front.start("/stream")
        front.wait(lambda: bytes(stream.body) == b"first", "the first block before the second is made")
        self.assertFalse(stream.ended or front.exists("closed"))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"firstsecond")
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_iterables_of_known_length_are_one_answer(self, front):
        stream = front.call("/exact")
        self.assertEqual((bytes(stream.body), stream.kinds[0]), (b"exact", ANSWERS))
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_whole_answer_does_not_wait_for_the_end_of_its_call(self, front):
        stream = front.start("/slowend")

        front.wait(lambda: stream.ended, "the answer while the call still runs")
        self.assertTrue(stream.lingers)
        self.assertFalse(stream.done)
        front.touch("go")
        front.wait_done(stream)
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_more_than_content_length(self, front):
        stream = front.call("/toolong")
        # As a stream the front sees the excess; as an answer already on its way the excess is dropped.
        self.assertIn(bytes(stream.body), (b"exactmore", b"exact"))
        self.assertTrue(front.exists("closed"))
        self.assertIn(bytes(front.call("/writelate").body), (b"exactmore", b"exact"))

    @every_model(auto_window=False)
    def test_large_body_keeps_to_the_window(self, front):
        stream = front.start("/big")
        front.wait(lambda: len(stream.body) == 262144, "a full window")
        front.grant(stream.number, 100000)
        front.wait(lambda: len(stream.body) == 362144, "what was granted")
        self.assertFalse(stream.done)
        front.grant(stream.number, 1000000)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"x" * 1000000)

    @every_model(auto_window=False)
    def test_client_leaves_a_blocked_response(self, front):
        stream = front.start("/endless")
        front.wait(lambda: len(stream.body) == 262144, "a full window")
        front.cancel(stream)
        front.wait_done(stream)
        self.assertTrue(front.exists("closed"))
        self.assertNotIn(ABORT, stream.kinds)
        self.assertEqual(bytes(front.call("/").body), b"Hello, World!")

    @every_model()
    def test_client_leaves_a_flowing_response(self, front):
        stream = front.start("/endless")
        front.wait(lambda: len(stream.body) > 500000, "some of it")
        front.cancel(stream)
        front.wait_done(stream)
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_half_closed_client_is_answered(self, front):
        stream = front.start("/stream")
        front.wait(lambda: stream.body, "the first block")
        front.cancel(stream, hard=False)
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"firstsecond")

    @every_model()
    def test_errors_before_the_first_byte(self, front):
        for path, message in (
            ("/raise", "ValueError: before"), ("/raisefirst", "ValueError: before bytes"), ("/exit", "SystemExit: 7"),
            ("/twice", "AssertionError: start_response was called twice"), ("/nostart", "AssertionError: "),
            ("/str", "TypeError: response data must be bytes, not str"), ("/badheaders", "TypeError: headers must be"),
            ("/badstatus", "ValueError: "), ("/unencodable", "UnicodeEncodeError"),
        ):
            stream = front.call(path)
            self.assertIsNotNone(stream.error, path)
            self.assertIn(message, stream.error[0])
            self.assertIsNone(stream.status)
        self.assertIn("do_raise", front.call("/raise").error[1])
        self.assertNotIn("asteri_worker", front.call("/raise").error[1])
        self.assertEqual(bytes(front.call("/").body), b"Hello, World!")

    @every_model()
    def test_errors_after_the_first_byte(self, front):
        stream = front.call("/raiselate")
        self.assertEqual((stream.abort, bytes(stream.body), stream.ended), (("ValueError: after",), b"some", False))
        self.assertTrue(front.exists("closed"))
        stream = front.call("/excinfolate")
        self.assertEqual(stream.abort, ("KeyError: 'late'",))
        front.wait(lambda: any("ValueError: after" in m for _, _, m, _ in front.logs), "the traceback in the log")

    @every_model()
    def test_exc_info_before_the_first_byte(self, front):
        stream = front.call("/excinfo")
        self.assertEqual((stream.status, bytes(stream.body)), (500, b"handled"))

    @every_model()
    def test_str_subclasses(self, front):
        good, odd, good_too = front.post_batch([front.request("/"), front.request("/subclass"), front.request("/")])
        front.wait_done(good, odd, good_too)
        self.assertEqual((odd.status, odd.header("X-Name")), (201, ["caf\xe9"]))
        self.assertEqual((good.status, good_too.status), (200, 200))

    @every_model()
    def test_start_response_in_a_generator(self, front):
        self.assertEqual(bytes(front.call("/late").body), b"late start")

    @every_model()
    def test_empty(self, front):
        stream = front.call("/empty")
        self.assertEqual((stream.status, stream.headers, bytes(stream.body)), (204, (), b""))

    @every_model()
    def test_input(self, front):
        body = b"line one\nline two\nline three\nlast"
        expected = repr([b"line one\n", b"lin", b"e ", b"two\n", b"line three\n", b"last", b"", b"", b""]).encode()
        self.assertEqual(bytes(front.call("/lines", method="POST", body=body).body), expected)
        self.assertEqual(bytes(front.call_with_file(body, path="/lines").body), expected)
        large = bytes(range(256)) * 4000
        self.assertEqual(bytes(front.call_with_file(large, path="/echo").body), large)
        self.assertEqual(bytes(front.call("/echo").body), b"")

    @every_model()
    def test_content_length_of_a_chunked_body(self, front):
        stream = front.call("/environ", method="POST", body=b"12345", headers=[("Transfer-Encoding", "chunked")])
        self.assertEqual(eval(stream.body)["CONTENT_LENGTH"], "5")
        self.assertNotIn("HTTP_TRANSFER_ENCODING", eval(stream.body))

    @every_model()
    def test_file_wrapper(self, front):
        data = bytes(range(256)) * 400
        with open(front.directory + "/data", "wb") as f:
            f.write(data)
        with open(front.directory + "/small", "wb") as f:
            f.write(b"small")
        stream = front.call("/file")
        self.assertEqual(bytes(stream.body), data[10:])
        self.assertEqual(stream.kinds[:2], [START, FILE])
        self.assertEqual(stream.header("content-length"), [str(len(data) - 10)])
        stream = front.call("/partfile")
        self.assertEqual((bytes(stream.body), stream.kinds[1]), (data[:50000], FILE))
        stream = front.call("/tempfile")
        self.assertEqual((bytes(stream.body), stream.kinds[1]), (b"t" * 100000, FILE))
        self.assertEqual(bytes(front.call("/smallfile").body), b"small")
        stream = front.call("/memoryfile")
        self.assertEqual((bytes(stream.body), stream.kinds[1]), (b"m" * 20000, DATA))
        self.assertEqual(bytes(front.call("/gzipfile").body), b"plain" * 10000)

    @every_model()
    def test_wsgi_errors(self, front):
        stream = front.call("/errors")
        front.wait(lambda: len(front.logs) >= 4, "log lines")
        self.assertEqual([(m, s) for _, _, m, s in front.logs], [
            (m, stream.number) for m in ("first line", "second line", "third", "never flushed")])

    @every_model()
    def test_shutdown_lets_calls_finish(self, front):
        stream = front.start("/sleep", query="1")
        front.wait_file("sleeping-1")
        front.send(frame(SHUTDOWN, 0))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual((bytes(stream.body), front.process.wait(10)), (b"slept", 0))
        self.assertEqual(front.output(), "")

    @every_model()
    def test_finished_answers_do_not_wait_for_slow_calls(self, front):
        quick, slow = front.post_batch([front.request("/"), front.request("/sleep", query="1")])
        front.wait(lambda: quick.done, "the quick answer")
        self.assertFalse(slow.done)
        front.touch("go")
        front.wait_done(slow)

    def test_recall(self):
        """What has not been started is given back, also when nobody has read it; the rest is not."""
        for model in ("sync", "tornado"):
            if model not in WSGI_MODELS:
                continue
            with self.subTest(model=model), Front(APP, model) as front:
                slow, waiting = front.post_batch([front.request("/sleep", query="1"), front.request("/")])
                front.wait_file("sleeping-1")
                unread = front.start("/")
                front.control_frame(RECALL, [slow.number, waiting.number, unread.number])
                self.assertEqual(front.reply(RECALLED), [waiting.number, unread.number])
                last = front.start("/")
                front.touch("go")
                front.wait_done(slow, last)
                self.assertEqual((waiting.kinds, unread.kinds), ([], []))

    def test_cancelled_before_it_started(self):
        for model in ("sync", "tornado"):
            if model not in WSGI_MODELS:
                continue
            with self.subTest(model=model), Front(APP, model) as front:
                slow, waiting = front.post_batch([front.request("/sleep", query="1"), front.request("/sleep", query="2")])
                front.wait_file("sleeping-1")
                unread = front.start("/sleep", query="3")
                front.cancel(waiting)
                front.wait_done(waiting)
                front.cancel(unread)
                front.control_frame(PING, raw=b"12345678")
                self.assertEqual(front.reply(PONG), b"12345678")
                front.touch("go")
                front.wait_done(slow, unread)
                self.assertFalse(front.exists("sleeping-2") or front.exists("sleeping-3"))

    @every_model()
    def test_stacks(self, front):
        stream = front.start("/sleep", query="1")
        front.wait_file("sleeping-1")
        front.control_frame(STACK, stream.number)
        self.assertIn("do_sleep", "".join(front.reply(STACKS).values()))
        front.control_frame(STACK, 0)
        self.assertIn("do_sleep", "".join(front.reply(STACKS).values()))


class Concurrency(unittest.TestCase):
    def overlap(self, model, count, **hello):
        """Whether count calls that wait for each other all run at once."""
        with Front(APP, model, **hello) as front:
            streams = front.post_batch([front.request("/sleep", query=str(i)) for i in range(count)])
            front.wait_file("sleeping-0")
            if model in ("sync", "tornado"):
                front.control_frame(PING, raw=b"12345678")
                front.reply(PONG)
                self.assertFalse(front.exists("sleeping-1"))
            else:
                for i in range(count):
                    front.wait_file("sleeping-%d" % i)
            front.touch("go")
            front.wait_done(*streams)

    def test_models(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model):
                self.overlap(model, 4, threads=4)

    def test_gthread_never_runs_more_than_its_threads(self):
        with Front(APP, "gthread", threads=2) as front:
            streams = front.post_batch([front.request("/sleep", query=str(i)) for i in range(4)])
            for i in range(2):
                front.wait_file("sleeping-%d" % i)
            front.control_frame(PING, raw=b"12345678")
            front.reply(PONG)
            self.assertFalse(front.exists("sleeping-2") or front.exists("sleeping-3"))
            front.touch("go")
            front.wait_done(*streams)

    def test_gthread_reads_windows_with_all_threads_busy(self):
        with Front(APP, "gthread", threads=2, auto_window=False) as front:
            streams = [front.start("/big"), front.start("/big")]
            front.wait(lambda: all(len(s.body) == 262144 for s in streams), "full windows")
            waiting = front.start("/")
            for stream in streams:
                front.grant(stream.number, 1000000)
            front.wait_done(*streams, waiting)

    def test_gthread_under_load_with_blocking_calls(self):
        source = """
        import time
        def app(environ, start_response):
            time.sleep(0.001 * (hash(environ["PATH_INFO"]) % 5))
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode()]
        """
        with Front(source, "gthread", threads=8) as front:
            streams = []
            for i in range(100):
                streams += front.post_batch([front.request("/%d-%d" % (i, j)) for j in range(10)])
                if i % 10 == 9:
                    front.wait_done(*streams)
            self.assertEqual(front.shutdown(), 0)
            self.assertEqual({bytes(s.body) for s in streams}, {b"/%d-%d" % (i, j) for i in range(100) for j in range(10)})


if __name__ == "__main__":
    unittest.main()
