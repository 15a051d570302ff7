"""ASGI 3.0 under asgi, on asyncio and uvloop."""
import functools
import textwrap
import unittest

from .front import ABORT, ANSWERS, END, FILE, SHUTDOWN, STACK, STACKS, Front, frame
from .models import EVENT_LOOPS, has

APP = """
import asyncio, contextvars, os

VAR = contextvars.ContextVar("VAR", default=None)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    await globals()["do_" + (scope["path"].strip("/") or "index")](scope, receive, send)

async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["shared"] = {"n": 0}
    scope["state"]["own"] = 1
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    open("shut", "w").close()
    await send({"type": "lifespan.shutdown.complete"})

async def body_of(receive):
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        more = message["more_body"]
    return body

async def answer(send, body, more=False, status=200, headers=((b"content-type", b"text/plain"),), **start):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **start})
    await send({"type": "http.response.body", "body": body, "more_body": more})

async def go():
    while not os.path.exists("go"):
        await asyncio.sleep(0.005)

async def do_index(scope, receive, send):
    await answer(send, b"hello")

async def do_scope(scope, receive, send):
    await answer(send, repr(scope).encode())

async def do_echo(scope, receive, send):
    await answer(send, await body_of(receive))

async def do_piecewise(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})

async def do_pieces(scope, receive, send):
    count, more = 0, True
    while more:
        message = await receive()
        more = message["more_body"]
        count += 1
        open("piece-%d" % count, "w").close()
    await answer(send, b"%d" % count)

async def do_slowecho(scope, receive, send):
    await go()
    await answer(send, await body_of(receive))

async def do_state(scope, receive, send):
    scope["state"]["shared"]["n"] += 1
    scope["state"]["own"] += 1
    await answer(send, repr(scope["state"]).encode())

async def do_task(scope, receive, send):
    task = asyncio.current_task()
    seen = VAR.get()
    VAR.set("leaked")
    await answer(send, repr((task is not None, seen)).encode())

async def do_background(scope, receive, send):
    await answer(send, b"early")
    await go()
    open("background", "w").close()

async def do_stream(scope, receive, send):
    await answer(send, b"first", more=True)
    await go()
    await send({"type": "http.response.body", "body": b"second"})

async def do_big(scope, receive, send):
    await answer(send, b"x" * 1000000)

async def do_endless(scope, receive, send):
    await answer(send, b"", more=True)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"z" * 10000, "more_body": True})
    except OSError:
        open("oserror", "w").close()
        raise

async def do_disconnect(scope, receive, send):
    await body_of(receive)
    open("waiting", "w").close()
    message = await receive()
    open(message["type"], "w").close()
    await answer(send, b"after")

async def do_after(scope, receive, send):
    await body_of(receive)
    await answer(send, b"done")
    message = await receive()
    open(message["type"], "w").close()

async def do_raise(scope, receive, send):
    raise ValueError("before")

async def do_raisestarted(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("no byte sent")

async def do_raiselate(scope, receive, send):
    await answer(send, b"some", more=True)
    raise ValueError("after")

async def do_raisebackground(scope, receive, send):
    await answer(send, b"fine")
    raise ValueError("in the background")

async def do_exit(scope, receive, send):
    raise SystemExit(7)

async def do_cancelled(scope, receive, send):
    raise asyncio.CancelledError()

async def do_nothing(scope, receive, send):
    pass

async def do_unfinished(scope, receive, send):
    await answer(send, b"part", more=True)

async def do_toomuch(scope, receive, send):
    await answer(send, b"all")
    try:
        await send({"type": "http.response.body", "body": b"more"})
    except RuntimeError as error:
        open("refused", "w").close()

async def do_nostart(scope, receive, send):
    await send({"type": "http.response.body", "body": b"x"})

async def do_text(scope, receive, send):
    await answer(send, "text")

class Number(int):
    pass

async def do_odd(scope, receive, send):
    await answer(send, bytearray(b"odd"), status=Number(201), headers=[["x-list", b"1"], (b"x-tuple", b"2")])

async def do_nobody(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})

async def do_pathsend(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": os.path.abspath("data")})

async def do_pathmissing(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": "/does/not/exist"})

async def do_hints(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]})
    await answer(send, b"hinted")

async def do_trailers(scope, receive, send):
    await answer(send, b"body", trailers=True)
    await send({"type": "http.response.trailers", "headers": [(b"x-a", b"1")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-b", b"2")]})

async def do_concurrent(scope, receive, send):
    await body_of(receive)
    listener = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    listener.cancel()
    other = asyncio.ensure_future(receive())
    await answer(send, b"ok")
    open((await other)["type"], "w").close()

async def do_block(scope, receive, send):
    import time
    open("blocking", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.005)
    await answer(send, b"blocked")
"""


def every_loop(**hello):
    """Runs a test once on each event loop."""

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for loop in EVENT_LOOPS:
                with self.subTest(loop=loop), Front(APP, "asgi", loop=loop, **hello) as front:
                    self.assertIsNone(front.failed)
                    test(self, front)

        return run

    return decorate


class HTTP(unittest.TestCase):
    @every_loop()
    def test_whole_answers(self, front):
        streams = front.post_batch([front.request() for _ in range(300)])
        front.wait_done(*streams)
        for stream in streams:
            self.assertEqual((stream.status, bytes(stream.body), stream.kinds), (200, b"hello", [ANSWERS]))
            self.assertFalse(stream.lingers)

    @every_loop()
    def test_scope(self, front):
        stream = front.call("/scope", query="a=%20", headers=[("Host", "x"), ("X-A", "1"), ("X-A", "2")], version="1.1")
        scope = eval(stream.body)
        self.assertEqual(scope.pop("asgi"), {"version": "3.0", "spec_version": "2.3"})
        self.assertEqual(scope.pop("headers"), [(b"host", b"x"), (b"x-a", b"1"), (b"x-a", b"2")])
        self.assertEqual(set(scope.pop("extensions")), {
            "http.response.pathsend", "http.response.early_hint", "http.response.trailers"})
        self.assertEqual(scope.pop("state"), {"shared": {"n": 0}, "own": 1})
        self.assertEqual(scope, {
            "type": "http", "http_version": "1.1", "server": ("10.0.0.1", 8080), "client": ("127.0.0.1", 5000), "scheme": "http",
            "method": "GET", "root_path": "", "path": "/scope", "raw_path": b"/scope", "query_string": b"a=%20",
        })

    def test_paths(self):
        source = "async def app(s, r, send):\n assert s['type'] == 'http'\n" + textwrap.indent(textwrap.dedent("""
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": repr((s["path"], s["raw_path"], s["root_path"], s["query_string"],
                        s["client"], s["server"], s["scheme"], s["http_version"], s["method"], "state" in s)).encode()})
            """), " ")
        with Front(source, "asgi", root_path="/mount/") as front:
            def seen(path, **kwargs):
                return eval(front.call(path, **kwargs).body)

            self.assertEqual(seen("/mount/caf%C3%A9", query="q=%20")[:4],
                             ("/mount/caf\xe9", b"/mount/caf%C3%A9", "/mount", b"q=%20"))
            self.assertEqual(seen("/stripped")[:3], ("/mount/stripped", b"/mount/stripped", "/mount"))
            self.assertEqual(seen("/mount", method="PUT", version="2", scheme="https", client=None, server=("/s", None))[4:],
                             (None, ("/s", None), "https", "2", "PUT", False))

    @every_loop()
    def test_bodies(self, front):
        self.assertEqual(bytes(front.call("/echo", method="POST", body=b"whole").body), b"whole")
        stream = front.start("/echo", method="POST", body=None)
        for piece in (b"one ", b"two "):
            front.body(stream, piece)
        front.body(stream, b"three", END)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"one two three")
        stream = front.start("/echo", method="POST", body=None)
        front.body(stream, b"", END)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"")

    @every_loop()
    def test_end_of_a_body_that_was_read(self, front):
        stream = front.start("/piecewise", method="POST", body=None)
        front.body(stream, b"all")
        front.wait(lambda: bytes(stream.body) == b"all", "the piece to come back")
        front.body(stream, b"", END)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"all")
        self.assertNotIn(ABORT, stream.kinds)

    @every_loop()
    def test_an_end_that_comes_alone(self, front):
        stream = front.start("/pieces", method="POST", body=None)
        front.body(stream, b"piece")
        front.wait_file("piece-1")
        front.body(stream, b"", END)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"2")

    @every_loop()
    def test_body_window(self, front):
        stream = front.start("/slowecho", method="POST", body=None)
        front.body(stream, b"a" * 65536)
        self.assertEqual(bytes(front.call("/").body), b"hello")
        self.assertEqual(front.grants, {}, "granted before the application has read")
        front.touch("go")
        front.wait(lambda: front.grants.get(stream.number) == 65536, "a window")
        front.body(stream, b"b" * 65536, END)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"a" * 65536 + b"b" * 65536)

    @every_loop()
    def test_broken_body(self, front):
        stream = front.start("/echo", method="POST", body=None)
        front.body(stream, b"some")
        front.body(stream, b"", 2)
        front.wait_done(stream)
        self.assertNotIn(ANSWERS, stream.kinds)

    @every_loop()
    def test_state(self, front):
        self.assertEqual(eval(front.call("/state").body), {"shared": {"n": 1}, "own": 2})
        self.assertEqual(eval(front.call("/state").body), {"shared": {"n": 2}, "own": 2})

    @every_loop()
    def test_a_task_for_each_request(self, front):
        for _ in range(3):
            self.assertEqual(eval(front.call("/task").body), (True, None))

    @every_loop()
    def test_background(self, front):
        stream = front.start("/background")
        front.wait(lambda: stream.ended, "the answer while the task runs on")
        self.assertTrue(stream.lingers)
        self.assertEqual(bytes(front.call("/").body), b"hello")
        self.assertFalse(stream.done)
        front.touch("go")
        front.wait_done(stream)
        self.assertTrue(front.exists("background"))

    @every_loop()
    def test_streaming(self, front):
        stream = front.start("/stream")
        front.wait(lambda: bytes(stream.body) == b"first", "the first piece")
        self.assertFalse(stream.ended)
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"firstsecond")

    @every_loop(auto_window=False)
    def test_back_pressure(self, front):
        stream = front.start("/big")
        front.wait(lambda: len(stream.body) == 262144, "a full window")
        front.grant(stream.number, 10)
        front.wait(lambda: len(stream.body) == 262154, "what was granted")
        front.grant(stream.number, 1000000)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"x" * 1000000)

    @every_loop(auto_window=False)
    def test_client_leaves_a_blocked_response(self, front):
        stream = front.start("/endless")
        front.wait(lambda: len(stream.body) == 262144, "a full window")
        front.cancel(stream)
        front.wait_done(stream)
        self.assertTrue(front.exists("oserror"))
        self.assertNotIn(ABORT, stream.kinds)

    @every_loop()
    def test_disconnect(self, front):
        for hard in (False, True):
            stream = front.start("/disconnect")
            front.wait_file("waiting")
            front.cancel(stream, hard)
            front.wait_done(stream)
            front.wait_file("http.disconnect")
            front.remove("waiting", "http.disconnect")
            if not hard:
                self.assertEqual(bytes(stream.body), b"after")
        front.call("/after")
        front.call("/concurrent")
        self.assertEqual(front.output(), "")

    @every_loop()
    def test_errors(self, front):
        for path, message in (
            ("/raise", "ValueError: before"), ("/raisestarted", "ValueError: no byte sent"), ("/exit", "SystemExit: 7"),
            ("/cancelled", "CancelledError"), ("/nothing", "without a response"), ("/nostart", "RuntimeError"), ("/text", "TypeError"),
            ("/pathmissing", "FileNotFoundError"),
        ):
            stream = front.call(path)
            self.assertIsNotNone(stream.error, path)
            self.assertIn(message, stream.error[0])
        self.assertNotIn("asteri_worker", front.call("/raise").error[1])
        stream = front.call("/raiselate")
        self.assertEqual((stream.abort, bytes(stream.body), stream.ended), (("ValueError: after",), b"some", False))
        self.assertIn("before its response was complete", front.call("/unfinished").abort[0])
        self.assertEqual(bytes(front.call("/raisebackground").body), b"fine")
        front.wait(lambda: any("in the background" in m for _, _, m, _ in front.logs), "the log")
        front.call("/toomuch")
        self.assertTrue(front.exists("refused"))
        self.assertEqual(bytes(front.call("/").body), b"hello")

    @every_loop()
    def test_odd_types(self, front):
        odd, good = front.post_batch([front.request("/odd"), front.request("/")])
        front.wait_done(odd, good)
        self.assertEqual((odd.status, bytes(odd.body), odd.pairs()), (201, b"odd", [("x-list", "1"), ("x-tuple", "2")]))
        self.assertEqual(front.call("/nobody").status, 204)

    @every_loop()
    def test_extensions(self, front):
        with open(front.directory + "/data", "wb") as f:
            f.write(b"d" * 300000)
        stream = front.call("/pathsend")
        self.assertEqual((bytes(stream.body), FILE in stream.kinds, stream.ended), (b"d" * 300000, True, True))
        stream = front.call("/hints")
        self.assertEqual(stream.informs, [(103, (b"link", b"</a.css>; rel=preload", b"link", b"</b.js>"))])
        stream = front.call("/trailers")
        self.assertEqual((bytes(stream.body), stream.trailers), (b"body", (b"x-a", b"1", b"x-b", b"2")))

    @every_loop()
    def test_shutdown(self, front):
        stream = front.start("/stream")
        front.wait(lambda: stream.body, "the first piece")
        front.send(frame(SHUTDOWN, 0))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(front.process.wait(10), 0)
        self.assertTrue(front.exists("shut"))
        self.assertEqual(front.output(), "")

    @every_loop()
    def test_stacks(self, front):
        stream = front.start("/stream")
        front.wait(lambda: stream.body, "the first piece")
        front.control_frame(STACK, stream.number)
        self.assertIn("in go", "".join(front.reply(STACKS).values()))
        blocked = front.start("/block")
        front.wait_file("blocking")
        front.control_frame(STACK, blocked.number)
        self.assertIn("do_block", "".join(front.reply(STACKS).values()))
        front.touch("go")
        front.wait_done(stream, blocked)

    def test_version_2_applications(self):
        source = """
        class app:
            def __init__(self, scope):
                self.scope = scope
            async def __call__(self, receive, send):
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": self.scope["path"].encode()})
        """
        with Front(source) as front:
            self.assertEqual(front.ready["interface"], "asgi")
            self.assertEqual(bytes(front.call("/two").body), b"/two")


class LifespanModes(unittest.TestCase):
    NONE = """
    async def app(scope, receive, send):
        assert scope["type"] == "http", "only HTTP"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})
    """
    FAILS = """
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
    """

    def test_without_lifespan(self):
        for mode, works in (("auto", True), ("off", True), ("on", False)):
            with self.subTest(mode=mode), Front(self.NONE, lifespan=mode) as front:
                if works:
                    self.assertFalse(front.ready["lifespan"])
                    self.assertEqual(bytes(front.call("/").body), b"ok")
                else:
                    self.assertEqual((front.failed["phase"], front.process.wait(10)), ("startup", 3))
                    self.assertIn("only HTTP", front.failed["message"])

    def test_failed_startup(self):
        for mode in ("auto", "on"):
            with self.subTest(mode=mode), Front(self.FAILS, lifespan=mode) as front:
                self.assertIn("no database", front.failed["message"])
                self.assertEqual(front.process.wait(10), 3)


@unittest.skipUnless(has("starlette", "fastapi"), "needs starlette and fastapi")
class Frameworks(unittest.TestCase):
    def test_fastapi(self):
        source = """
        import asyncio, contextlib
        from fastapi import BackgroundTasks, Depends, FastAPI, Request
        from starlette.responses import FileResponse, StreamingResponse

        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield {"greeting": "hello"}

        app = FastAPI(lifespan=lifespan)

        def in_thread():
            return 42

        @app.get("/")
        async def index(request: Request, n: int = Depends(in_thread)):
            return {"greeting": request.state.greeting, "n": n}

        @app.get("/sync")
        def sync():
            return "thread"

        @app.post("/json")
        async def json(data: dict):
            return data

        @app.get("/stream")
        async def stream():
            async def pieces():
                for i in range(3):
                    yield "data: %d\\n\\n" % i
                    await asyncio.sleep(0)
            return StreamingResponse(pieces(), media_type="text/event-stream")

        @app.get("/file")
        async def file():
            return FileResponse("fixture.py")

        @app.get("/background")
        async def background(tasks: BackgroundTasks):
            tasks.add_task(lambda: open("ran", "w").close())
            return "ok"

        @app.get("/error")
        async def error():
            raise ValueError("oops")
        """
        for loop in EVENT_LOOPS:
            with self.subTest(loop=loop), Front(source, loop=loop) as front:
                host = [("Host", "x")]
                self.assertTrue(front.ready["lifespan"])
                self.assertEqual(eval(front.call("/", headers=host).body), {"greeting": "hello", "n": 42})
                self.assertEqual(bytes(front.call("/sync", headers=host).body), b'"thread"')
                stream = front.call("/json", method="POST", body=b'{"a": 1}', headers=host + [("Content-Type", "application/json")])
                self.assertEqual(bytes(stream.body), b'{"a":1}')
                stream = front.call("/stream", headers=host)
                self.assertEqual(bytes(stream.body), b"data: 0\n\ndata: 1\n\ndata: 2\n\n")
                with open(front.directory + "/fixture.py", "rb") as f:
                    self.assertEqual(bytes(front.call("/file", headers=host).body), f.read())
                front.call("/background", headers=host)
                front.wait_file("ran")
                stream = front.call("/error", headers=host)
                self.assertEqual(stream.status, 500)
                front.wait(lambda: any("oops" in m for _, _, m, _ in front.logs), "the traceback")
                self.assertEqual(front.shutdown(), 0)


if __name__ == "__main__":
    unittest.main()
