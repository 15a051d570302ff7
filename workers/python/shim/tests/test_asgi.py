"""ASGI 3.0 under asgi, on asyncio and uvloop."""
import textwrap
import unittest

from .asgi_app import every_loop
from .front import ABORT, ANSWERS, DONE, DRAIN, END, FILE, PROBE, RECALL, RECALLED, SHUTDOWN, STACK, STACKS, Front, frame
from .models import EVENT_LOOPS
from .shared import shared


class HTTP(unittest.TestCase):
    @every_loop()
    def test_whole_answers(self, front):
        streams = front.post_batch([front.request() for _ in range(300)])
        front.wait_done(*streams)
        for stream in streams:
            self.assertEqual((stream.status, bytes(stream.body), stream.kinds), (200, b"hello", [ANSWERS]))
            self.assertFalse(stream.lingers)

    @every_loop(alone=True)
    def test_blocked_loop(self, front):
        """What the loop has not come to can be given back, be it read or not, and is not run; a PROBE has no answer."""
        blocking, given, left, kept = front.post_batch([front.request(path) for path in ("/block", "/sleep", "/sleep", "/")])
        front.wait_file("blocking")
        front.send(frame(PROBE, 0))
        unread = front.start("/sleep")
        front.cancel(left)
        front.control_frame(RECALL, [blocking.number, given.number, unread.number])
        self.assertEqual(front.reply(RECALLED), [given.number, unread.number])
        self.assertEqual(front.probed, 0)
        front.touch("go")
        front.wait_done(blocking, left, kept)
        self.assertEqual((left.kinds, bytes(kept.body)), ([DONE], b"hello"))
        self.assertEqual((given.kinds, unread.kinds), ([], []))
        front.wait(lambda: front.probed == 1, "the answer to the PROBE")
        self.assertEqual(front.shutdown(), 0)

    @every_loop()
    def test_headers_may_be_any_iterable(self, front):
        stream = front.call("/generator")
        self.assertEqual((stream.status, stream.headers), (200, (b"x-a", b"1", b"x-b", b"1")))

    @every_loop()
    def test_scope(self, front):
        stream = front.call("/scope", query="a=%20", headers=[("Host", "x"), ("X-A", "1"), ("X-A", "2")], version="1.1")
        scope = eval(stream.body)
        self.assertEqual(scope.pop("asgi"), {"version": "3.0", "spec_version": "2.3"})
        self.assertEqual(scope.pop("headers"), [(b"host", b"x"), (b"x-a", b"1"), (b"x-a", b"2")])
        self.assertEqual(set(scope.pop("extensions")), {
            "http.response.pathsend", "http.response.early_hint", "http.response.trailers", "asteri.drain"})
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
        with Front(source, "asgi", root_path="/caf\xe9/") as front:
            for path in (b"/caf%C3%A9/x", b"/caf%c3%a9/x"):
                self.assertEqual(eval(front.call(path.decode()).body)[:3], ("/caf\xe9/x", path, "/caf\xe9"))
        with Front(source, "asgi", root_path="/mount/") as front:
            def seen(path, **kwargs):
                return eval(front.call(path, **kwargs).body)

            self.assertEqual(seen("/mount/caf%C3%A9", query="q=%20")[:4],
                             ("/mount/caf\xe9", b"/mount/caf%C3%A9", "/mount", b"q=%20"))
            self.assertEqual(seen("/stripped")[:3], ("/mount/stripped", b"/mount/stripped", "/mount"))
            # A trusted proxy's word goes first, whether it has taken its root off the path or not.
            self.assertEqual(seen("/proxy/x", root=b"/proxy")[:3], ("/proxy/x", b"/proxy/x", "/proxy"))
            self.assertEqual(seen("/x", root=b"/caf\xc3\xa9 1")[:3], ("/caf\xe9 1/x", b"/caf%C3%A9%201/x", "/caf\xe9 1"))
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

    @every_loop(alone=True)
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
        self.assertEqual((stream.abort[0], bytes(stream.body), stream.ended), ("ValueError: after", b"some", False))
        self.assertIn("Traceback", stream.abort[1])
        self.assertIn("before its response was complete", front.call("/unfinished").abort[0])
        self.assertEqual(bytes(front.call("/raisebackground").body), b"fine")
        front.wait(lambda: front.failures, "the log")
        self.assertEqual(front.failures[0][0], "ValueError: in the background")
        self.assertIn("Traceback", front.failures[0][1])
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

    @every_loop(alone=True)
    def test_shutdown(self, front):
        stream = front.start("/stream")
        front.wait(lambda: stream.body, "the first piece")
        front.send(frame(SHUTDOWN, 0))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(front.process.wait(10), 0)
        self.assertTrue(front.exists("shut"))
        self.assertEqual(front.output(), "")

    def test_drain(self):
        source = """
        async def app(scope, receive, send):
            drain = scope["extensions"]["asteri.drain"]["event"]
            kind = scope["type"]
            if kind == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
                await drain.wait()
                await send({"type": "websocket.close", "code": 3001})
                return
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"first, ", "more_body": True})
            if scope["path"] != "/now":
                await drain.wait()
            await send({"type": "http.response.body", "body": b"bye" if drain.is_set() else b"stay"})
        """
        for kind in (DRAIN, SHUTDOWN):
            with Front(source, lifespan="off") as front:
                waiting = [front.start("/"), front.start("/")]
                front.wait(lambda: all(stream.body for stream in waiting), "the first pieces")
                self.assertEqual(bytes(front.call("/now").body), b"first, stay")
                front.send(frame(kind, 0))
                front.wait_done(*waiting)
                self.assertEqual([bytes(stream.body) for stream in waiting], [b"first, bye"] * 2)
                if kind == DRAIN:  # requests still come, and it may be said again
                    self.assertEqual(bytes(front.call("/now").body), b"first, bye")
                    front.send(frame(kind, 0))
                    front.send(frame(SHUTDOWN, 0))
                self.assertEqual(front.process.wait(10), 0)

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


class Certificates(unittest.TestCase):
    SOURCE = """
    async def app(scope, receive, send):
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        if scope["path"].endswith("/change"):
            scope["extensions"].clear()
        told = repr((scope["root_path"], scope["extensions"].get("tls"))).encode()
        await send({"type": kind + ".start", "status": 200, "headers": []})
        await send({"type": kind + ".body", "body": told})
    """

    def test_extension(self):
        chain = ("first\n", "second\n")
        with Front(self.SOURCE, lifespan="off", root_path="/own") as front:
            for scheme in ("https", "wss"):
                def told(path="/", **kwargs):
                    return eval(front.call(path, scheme=scheme, **kwargs).body)

                for error in (None, "not verified"):
                    expected = {
                        "server_cert": None, "client_cert_chain": chain, "client_cert_name": "CN=caf\xe9", "client_cert_error": error,
                        "tls_version": 0x304, "cipher_suite": 0x1301,
                    }
                    tls = (0x304, 0x1301, chain, "CN=caf\xe9", error)
                    self.assertEqual(told(tls=tls), ("/own", expected))
                    self.assertEqual(told(tls=tls, root=b"/proxy"), ("/proxy", expected))
                told("/change", tls=tls)
                self.assertEqual(told(), ("/own", None))


class Departed(unittest.TestCase):
    """send() once the client has left: nothing, as under the version of ASGI that the scope names; but who streams is told."""

    SOURCE = """
    import asyncio, os
    async def app(scope, receive, send):
        told = []
        async def tell(**message):
            try:
                await send(message)
            except OSError:
                told.append("body" if message.get("more_body") else message["type"])
        assert scope["asgi"]["spec_version"] == "2.3"
        open("in", "w").close()
        while (await receive())["type"] != "http.disconnect":
            pass
        if scope["path"] == "/hints":
            await tell(type="http.response.early_hint", links=[b"</a.css>"])
        await tell(type="http.response.start", status=200, trailers=scope["path"] == "/trailers")
        if scope["path"] == "/stream":
            await tell(type="http.response.body", body=b"some", more_body=True)
        if scope["path"] == "/path":
            await tell(type="http.response.pathsend", path=os.path.abspath("fixture.py"))
        await tell(type="http.response.body", body=b"z" * (10 if scope["path"] == "/short" else 1000000))
        await tell(type="http.response.trailers", headers=[])
        open("told" + "-".join(["", *told]), "w").close()
    """
    BLOCKED = """
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        open("begun", "w").close()
        await send({"type": "http.response.body", "body": b"z" * 1000000})
        open("silent", "w").close()
    """

    def test_send(self):
        for path, told in (("/short", "told"), ("/long", "told"), ("/hints", "told"), ("/path", "told"), ("/trailers", "told"),
                           ("/stream", "told-body")):
            for loop in EVENT_LOOPS:
                with self.subTest(path=path, loop=loop), shared(self.SOURCE, lifespan="off", loop=loop) as front:
                    stream = front.start(path)
                    front.wait_file("in")
                    front.cancel(stream)
                    front.wait_done(stream)
                    self.assertTrue(front.exists(told))
                    self.assertEqual((front.logs, front.output()), ([], ""))

    def test_send_that_waits(self):
        with Front(self.BLOCKED, lifespan="off", auto_window=False) as front:
            stream = front.start("/")
            front.wait(lambda: len(stream.body) == 262144, "the window to be full")
            front.cancel(stream)
            front.wait_done(stream)
            self.assertTrue(front.exists("silent"))
            self.assertEqual((front.logs, front.output()), ([], ""))


class FirstSteps(unittest.TestCase):
    """Of tasks: where Python can, they are taken when the task is made. An application cannot tell."""

    SOURCE = """
    import asyncio, contextvars, os, time
    VARIABLE = contextvars.ContextVar("variable", default=None)
    made = []

    def factory(loop, coroutine, **kwargs):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **kwargs)

    async def fails_later():
        await asyncio.sleep(0)
        raise RuntimeError("later")

    async def app(scope, receive, send):
        path = scope["path"]
        if path == "/factory":
            asyncio.get_running_loop().set_task_factory(factory)
        elif path == "/wait":
            open("waits", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.001)
        elif path == "/compute":
            until = time.monotonic() + 0.002
            while time.monotonic() < until:
                pass
        found = [VARIABLE.get()]
        VARIABLE.set(path)
        first = asyncio.current_task()
        known = first in asyncio.all_tasks()
        if path == "/fail":
            raise RuntimeError("at once")
        if path == "/exit":
            raise SystemExit(3)
        if path == "/later":
            await fails_later()
        if path == "/cancel":
            first.cancel()
        if path in ("/timeout", "/cancel"):
            try:
                await asyncio.wait_for(asyncio.sleep(60), 0.01)
            except BaseException as error:
                found.append(type(error).__name__)
        if path == "/sleep":
            await asyncio.sleep(0)
        found += [first is asyncio.current_task(), isinstance(first, asyncio.Task), known, VARIABLE.get(), len(made)]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": repr(found).encode()})
    """

    def test_what_applications_see(self):
        for loop in EVENT_LOOPS:
            with self.subTest(loop=loop), Front(self.SOURCE, "asgi", lifespan="off", loop=loop) as front:
                paths = ("/now", "/sleep", "/timeout", "/cancel")
                streams = front.post_batch([front.request(path) for path in paths])
                front.wait_done(*streams)
                caught = {"/timeout": ["TimeoutError"], "/cancel": ["CancelledError"]}
                for path, stream in zip(paths, streams):
                    self.assertEqual(eval(stream.body), [None, *caught.get(path, []), True, True, True, path, 0])
                front.call("/factory")
                self.assertEqual(eval(front.call("/now").body)[-1], 1)  # of tasks that another makes none is spared

    def test_failures(self):
        for loop in EVENT_LOOPS:
            with self.subTest(loop=loop), shared(self.SOURCE, "asgi", lifespan="off", loop=loop) as front:
                failed = front.post_batch([front.request(path) for path in ("/fail", "/exit", "/later", "/now")])
                front.wait_done(*failed)
                for stream, said in zip(failed, ("at once", "SystemExit", "later")):
                    self.assertIn(said, stream.error[0])
                self.assertEqual(failed[3].status, 200)

    def test_answers_of_a_batch_do_not_wait_for_all_of_it(self):
        """Two that take longer than an answer is held: the first of them is out before the last of the batch has begun."""
        for loop in EVENT_LOOPS:
            with self.subTest(loop=loop), Front(self.SOURCE, "asgi", lifespan="off", loop=loop) as front:
                first, second, last = front.post_batch([front.request(path) for path in ("/compute", "/compute", "/wait")])
                front.wait(lambda: first.done, "the first answer")
                front.wait(lambda: second.done, "the second answer")
                self.assertFalse(last.done)
                front.touch("go")
                front.wait_done(last)


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

    def test_without_lifespan_at_once(self):
        """The call itself raises, before there is anything to await."""
        plain = """
        async def serve(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"ok"})
        def app(scope, receive, send):
            if scope["type"] != "http":
                raise NotImplementedError("only HTTP")
            return serve(scope, receive, send)
        """
        for mode in ("auto", "on"):
            with self.subTest(mode=mode), Front(plain, lifespan=mode) as front:
                if mode == "auto":
                    self.assertEqual(bytes(front.call("/").body), b"ok")
                    self.assertEqual(front.shutdown(), 0)
                else:
                    self.assertEqual(front.failed["phase"], "startup")
                    self.assertIn("only HTTP", front.failed["message"])

    def test_ends_of_lifespans(self):
        """To return is no failure, whenever an application does; to raise is."""
        source = """
        async def app(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            if %r == "early":
                return
            await receive()
            if %r == "raises":
                raise ValueError("at the end")
        """
        for end in ("early", "late", "raises"):
            with self.subTest(end=end), Front(source % (end, end)) as front:
                self.assertTrue(front.ready["lifespan"])
                self.assertEqual(front.shutdown(), 0)
                front.wait(lambda: front.closed, "the end of the link")
                self.assertEqual(["at the end" in error for error, _, _ in front.failures], [True] * (end == "raises"))
                self.assertEqual(len(front.logs), len(front.failures))

    def test_failed_startup(self):
        for mode in ("auto", "on"):
            with self.subTest(mode=mode), Front(self.FAILS, lifespan=mode) as front:
                self.assertIn("no database", front.failed["message"])
                self.assertEqual(front.process.wait(10), 3)


if __name__ == "__main__":
    unittest.main()
