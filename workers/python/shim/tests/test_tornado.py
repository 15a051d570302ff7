"""Native Tornado applications under tornado and gtornado."""
import functools
import unittest

from .front import ABORT, ANSWERS, DATA, END, SHUTDOWN, STACK, STACKS, START, Front, frame
from .models import TORNADO_MODELS, has
from .shared import shared

HOST = [("Host", "example.org")]
APP = """
import asyncio, contextvars, os, time
import tornado.gen, tornado.iostream, tornado.web
from tornado.ioloop import IOLoop

VAR = contextvars.ContextVar("VAR", default=None)

def exists(name):
    return os.path.exists(name)

class Index(tornado.web.RequestHandler):
    def get(self):
        self.set_cookie("a", "1")
        self.set_cookie("b", "2")
        self.write("hello " + self.get_argument("name", "you"))
    async def post(self):
        await asyncio.sleep(0)
        self.write(self.request.body[::-1])

class Request(tornado.web.RequestHandler):
    def get(self):
        r = self.request
        self.write(repr((r.method, r.uri, r.path, r.query, r.version, r.remote_ip, r.protocol, r.host, r.headers.get_list("X-A"))))

class Old(tornado.web.RequestHandler):
    @tornado.gen.coroutine
    def get(self):
        yield tornado.gen.sleep(0.001)
        self.finish("coroutine")

class Stream(tornado.web.RequestHandler):
    async def get(self):
        self.write("first")
        await self.flush()
        while not exists("go"):
            await asyncio.sleep(0.005)
        self.write("second")

class Big(tornado.web.RequestHandler):
    async def get(self):
        for _ in range(10):
            self.write(b"x" * 100000)
            await self.flush()

class Unawaited(tornado.web.RequestHandler):
    def get(self):
        for _ in range(10):
            self.write(b"x" * 100000)
            self.flush()

class Raise(tornado.web.RequestHandler):
    async def get(self):
        raise ValueError("before")

class RaiseLate(tornado.web.RequestHandler):
    async def get(self):
        self.write("some")
        await self.flush()
        raise ValueError("after")

class Refuse(tornado.web.RequestHandler):
    def get(self):
        raise tornado.web.HTTPError(418, "teapot", reason="Teapot")
    def write_error(self, status_code, **kwargs):
        self.write("custom %d" % status_code)

class Moved(tornado.web.RequestHandler):
    def get(self):
        self.redirect("/elsewhere")

class Wait(tornado.web.RequestHandler):
    async def get(self):
        self.closed = asyncio.Event()
        open("waiting", "w").close()
        await self.closed.wait()
        try:
            self.write("late")
            await self.finish()
        except tornado.iostream.StreamClosedError:
            open("streamclosed", "w").close()
    def on_connection_close(self):
        open("closed", "w").close()
        self.closed.set()

@tornado.web.stream_request_body
class Upload(tornado.web.RequestHandler):
    def prepare(self):
        open("uploading", "w").close()
        self.pieces = []
    async def data_received(self, data):
        while not exists("go"):
            await asyncio.sleep(0.005)
        self.pieces.append(data)
    def post(self):
        self.write(repr((len(self.pieces), sum(map(len, self.pieces)))))
    def on_connection_close(self):
        open("uploadclosed", "w").close()

class Sleep(tornado.web.RequestHandler):
    def get(self, number):
        open("sleeping-" + number, "w").close()
        while not exists("go"):
            time.sleep(0.005)
        self.write("slept")

class Context(tornado.web.RequestHandler):
    def initialize(self):
        self.seen = VAR.get()
        VAR.set("leaked")
    def prepare(self):
        VAR.set("prepared")
    def get(self):
        self.write(repr((self.seen, VAR.get())))

class Loop(tornado.web.RequestHandler):
    def get(self):
        IOLoop.current().add_callback(lambda: open("callback", "w").close())
        async def touch():
            open("task", "w").close()
        asyncio.create_task(touch())
        self.write("ok")

class Decorated(tornado.web.RequestHandler):
    def get_current_user(self):
        return self.get_argument("user", None)
    @tornado.web.authenticated
    async def get(self):
        await asyncio.sleep(0)
        self.write("user " + self.current_user)

os.makedirs("static", exist_ok=True)
with open("static/big.txt", "wb") as f:
    f.write(b"0123456789" * 50000)

app = tornado.web.Application([
    ("/", Index), ("/request/?", Request), ("/old", Old), ("/stream", Stream), ("/big", Big), ("/unawaited", Unawaited),
    ("/raise", Raise), ("/raiselate", RaiseLate), ("/refuse", Refuse), ("/moved", Moved), ("/wait", Wait), ("/upload", Upload),
    ("/sleep/(.*)", Sleep), ("/context", Context), ("/loop", Loop), ("/decorated", Decorated),
], static_path="static", login_url="/login", cookie_secret="x")
"""


def every_model(alone=False, **hello):
    start = Front if alone else shared

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for self.model in TORNADO_MODELS:
                with self.subTest(model=self.model), start(APP, self.model, **hello) as front:
                    self.assertIsNone(front.failed)
                    test(self, front)

        return run

    return decorate


@unittest.skipUnless(has("tornado"), "needs tornado")
class Native(unittest.TestCase):
    @every_model()
    def test_whole_answers(self, front):
        streams = front.post_batch([front.request(query="name=%d" % i, headers=HOST) for i in range(100)])
        front.wait_done(*streams)
        for i, stream in enumerate(streams):
            self.assertEqual((stream.status, bytes(stream.body), stream.kinds), (200, b"hello %d" % i, [ANSWERS]))
            self.assertEqual(stream.header("set-cookie"), ["a=1; Path=/", "b=2; Path=/"])
        etag = streams[0].header("etag")[0]
        stream = front.call(query="name=0", headers=HOST + [("If-None-Match", etag)])
        self.assertEqual((stream.status, bytes(stream.body)), (304, b""))
        self.assertEqual(bytes(front.call(method="HEAD", headers=HOST).body), b"")

    @every_model()
    def test_request(self, front):
        headers = HOST + [("X-A", "1"), ("X-A", "2")]
        stream = front.call("/request/", query="a=%20b", headers=headers, scheme="https")
        self.assertEqual(eval(stream.body), (
            "GET", "/request/?a=%20b", "/request/", "a=%20b", "HTTP/1.1", "127.0.0.1", "https", "example.org", ["1", "2"]))
        for path in ("/proxy/request/", "/request/"):  # a trusted proxy says where the application is
            self.assertEqual(eval(front.call(path, headers=headers, root=b"/proxy").body)[1], "/request/")
        for path, expected in (("/caf%C3%A9/x/request/", "/request/"), ("/c%61f%c3%a9/x/request/?", "/request/?"),
                               ("/caf%C3%A9%2Fx/request/", None), ("/caf%C3%A9/xrequest/", None)):
            stream = front.call(path, headers=headers, root="/caf\xe9/x".encode())
            self.assertEqual(stream.body and stream.status == 200 and eval(stream.body)[1] or None, expected, path)
        self.assertEqual(front.call("/").status, 400)
        self.assertEqual(front.call("/nowhere", headers=HOST).status, 404)
        self.assertEqual(front.call("/old", method="PUT", headers=HOST).status, 405)

    @every_model()
    def test_bodies(self, front):
        self.assertEqual(bytes(front.call(method="POST", body=b"abc", headers=HOST).body), b"cba")
        stream = front.start(method="POST", body=None, headers=HOST)
        front.body(stream, b"ab")
        front.body(stream, b"c", END)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"cba")

    @every_model()
    def test_streamed_upload(self, front):
        stream = front.start("/upload", method="POST", body=None, headers=HOST)
        for _ in range(4):
            front.body(stream, b"u" * 16384)
        front.call("/", headers=HOST)
        self.assertEqual(front.grants, {})
        front.touch("go")
        front.wait(lambda: front.grants.get(stream.number), "a window")
        front.body(stream, b"u" * 16384, END)
        front.wait_done(stream)
        self.assertEqual(eval(stream.body), (5, 81920))

    @every_model()
    def test_broken_upload(self, front):
        front.touch("go")
        stream = front.start("/upload", method="POST", body=None, headers=HOST)
        front.body(stream, b"some")
        front.wait_file("uploading")
        front.body(stream, b"", 2)
        front.wait_done(stream)
        front.wait_file("uploadclosed")

    @every_model()
    def test_coroutines_and_decorators(self, front):
        self.assertEqual(bytes(front.call("/old", headers=HOST).body), b"coroutine")
        self.assertEqual(bytes(front.call("/decorated", query="user=me", headers=HOST).body), b"user me")
        stream = front.call("/decorated", headers=HOST)
        self.assertEqual((stream.status, stream.header("location")), (302, ["/login?next=%2Fdecorated"]))
        self.assertEqual(front.call("/moved", headers=HOST).header("location"), ["/elsewhere"])

    @every_model()
    def test_flush(self, front):
        stream = front.start("/stream", headers=HOST)
        front.wait(lambda: bytes(stream.body) == b"first", "the first piece")
        self.assertFalse(stream.ended)
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual((bytes(stream.body), stream.kinds[:2]), (b"firstsecond", [START, DATA]))

    @every_model(auto_window=False)
    def test_back_pressure(self, front):
        for path in ("/big", "/unawaited"):
            stream = front.start(path, headers=HOST)
            front.wait(lambda: len(stream.body) == 262144, "a full window")
            front.grant(stream.number, 100)
            front.wait(lambda: len(stream.body) == 262244, "what was granted")
            front.grant(stream.number, 10000000)
            front.wait_done(stream)
            self.assertEqual((len(stream.body), stream.ended), (1000000, True))

    @every_model()
    def test_errors(self, front):
        stream = front.call("/raise", headers=HOST)
        self.assertEqual(stream.status, 500)
        self.assertIn("ValueError: before", front.output())
        stream = front.call("/raiselate", headers=HOST)
        self.assertEqual((bytes(stream.body), stream.ended, ABORT in stream.kinds), (b"some", False, True))
        stream = front.call("/refuse", headers=HOST)
        self.assertEqual((stream.status, bytes(stream.body)), (418, b"custom 418"))

    @every_model()
    def test_connection_close(self, front):
        for hard in (False, True):
            stream = front.start("/wait", headers=HOST)
            front.wait_file("waiting")
            front.cancel(stream, hard)
            front.wait_done(stream)
            front.wait_file("closed")
            front.remove("waiting", "closed")
            if hard:
                front.wait_file("streamclosed")
            else:
                self.assertEqual(bytes(stream.body), b"late")

    @every_model()
    def test_static_files(self, front):
        stream = front.call("/static/big.txt", headers=HOST)
        self.assertEqual(bytes(stream.body), b"0123456789" * 50000)
        stream = front.call("/static/big.txt", headers=HOST + [("Range", "bytes=5-14")])
        self.assertEqual((stream.status, bytes(stream.body)), (206, b"5678901234"))
        self.assertEqual(front.call("/static/missing", headers=HOST).status, 404)

    @every_model()
    def test_context(self, front):
        for _ in range(2):
            self.assertEqual(eval(front.call("/context", headers=HOST).body), (None, "prepared"))

    @every_model()
    def test_loop_in_synchronous_handlers(self, front):
        self.assertEqual(bytes(front.call("/loop", headers=HOST).body), b"ok")
        front.wait_file("callback")
        front.wait_file("task")

    @every_model()
    def test_sleeping_handlers(self, front):
        """gtornado's point: a handler that sleeps cooperatively stops neither the loop nor other handlers."""
        sleeping = [front.start("/sleep/%d" % i, headers=HOST) for i in range(3)]
        front.wait_file("sleeping-0")
        if self.model == "gtornado":
            front.wait_file("sleeping-1")
            front.wait_file("sleeping-2")
            self.assertEqual(bytes(front.call("/old", headers=HOST).body), b"coroutine")
            self.assertFalse(any(s.done for s in sleeping))
        else:
            quick = front.start("/old", headers=HOST)
            for _ in range(20):  # the handler holds the loop all the time
                front.control_frame(STACK, 0)
                self.assertIn("in get", "".join(front.reply(STACKS).values()))
            self.assertFalse(front.exists("sleeping-1") or quick.done)
        front.touch("go")
        front.wait_done(*sleeping)

    @every_model()
    def test_stacks(self, front):
        """Where a handler waits: at an await, or in a call."""
        waiting, sleeping = front.start("/wait", headers=HOST), front.start("/sleep/0", headers=HOST)
        front.wait_file("waiting")
        front.wait_file("sleeping-0")
        front.control_frame(STACK, 0)
        stacks = front.reply(STACKS)
        self.assertIn("await self.closed.wait()", stacks["stream %d" % waiting.number])
        where = "stream %d" % sleeping.number if self.model == "gtornado" else "MainThread"
        self.assertIn("in get", stacks[where])
        self.assertFalse([name for name, text in stacks.items() if "in _dispatch" in text], "the shim's own threads")
        front.touch("go")
        front.wait_done(sleeping)

    @every_model(alone=True)
    def test_shutdown(self, front):
        stream = front.start("/stream", headers=HOST)
        front.wait(lambda: stream.body, "the first piece")
        front.send(frame(SHUTDOWN, 0))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(front.process.wait(10), 0)
        self.assertEqual(front.output(), "")


if __name__ == "__main__":
    unittest.main()
