"""What greenlets add: calls and handlers that wait do not hold up the others."""
import unittest

from .front import Front
from .models import TORNADO_MODELS

HOST = [("Host", "example.org")]


@unittest.skipUnless("gtornado" in TORNADO_MODELS, "needs tornado and gevent")
class Greenlets(unittest.TestCase):
    SOURCE = """
    import asyncio, os, socket, threading, time
    from tornado.ioloop import IOLoop

    def app(environ, start_response):
        start_response("200 OK", [])
        return [repr(globals()["do_" + environ["PATH_INFO"].strip("/")](environ)).encode()]

    RUNNING = []

    def do_run(environ):
        async def main():
            RUNNING.append(environ)
            while len(RUNNING) < int(environ["QUERY_STRING"]):  # until as many loops run at once
                await asyncio.sleep(0.001)
            return asyncio.get_running_loop() is not None and asyncio.current_task() is not None
        return asyncio.run(main())

    def do_none(environ):
        return asyncio._get_running_loop()

    def do_sleep(environ):
        open("sleeping-" + environ["QUERY_STRING"], "w").close()
        while not os.path.exists("go"):
            time.sleep(0.005)
        return "slept"

    def do_socket(environ):
        a, b = socket.socketpair()
        threading.Thread(target=lambda: (time.sleep(0.02), a.send(b"x"))).start()
        return b.recv(1)

    def do_executor(environ):
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda n: n * n, range(4)))
    """

    def test_asyncio_run_in_wsgi_calls(self):
        for model in ("gevent", "gtornado"):
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                if model == "gtornado":
                    streams = [front.start("/run", query="50") for _ in range(50)] + [front.start("/none") for _ in range(10)]
                    front.wait_done(*streams)
                    self.assertEqual([bytes(s.body) for s in streams], [b"True"] * 50 + [b"None"] * 10, front.output())
                else:
                    self.assertEqual(bytes(front.call("/run", query="1").body), b"True")
                self.assertEqual(bytes(front.call("/socket").body), b"b'x'")
                self.assertEqual(bytes(front.call("/executor").body), b"14")

    WAITING = """
    import asyncio, contextvars, os, threading, time
    import greenlet
    import tornado.web
    from tornado.ioloop import IOLoop

    VAR = contextvars.ContextVar("VAR")
    SEEN = []

    def wait(name):
        "Waits as any blocking call does: the loop knows nothing of it."
        open("waiting-" + name, "w").close()
        while not os.path.exists("go"):
            time.sleep(0.002)

    class Handler(tornado.web.RequestHandler):
        "Checks that what asyncio and contextvars say is the same before and after each wait."
        def initialize(self):
            if self.request.path == "/initialize":
                wait("initialize")
        async def get(self, name):
            VAR.set(name)
            task = asyncio.current_task()
            await getattr(self, "do_" + name)()
            assert asyncio.current_task() is task and asyncio.get_running_loop() is task.get_loop()
            assert VAR.get() == name
            self.write(name)
        async def do_initialize(self):
            pass
        async def do_index(self):
            await asyncio.sleep(0)
        async def do_blocks(self):
            await asyncio.sleep(0.001)
            for _ in range(3):
                wait("blocks")
                assert asyncio.current_task() and VAR.get() == "blocks"
                await asyncio.sleep(0.001)
        async def do_deep(self):
            "In a greenlet of its own inside the step, as SQLAlchemy's asyncio extension runs drivers."
            inner = greenlet.greenlet(lambda: wait("deep"))
            inner.switch()
            assert inner.dead
        async def do_timeout(self):
            "The timeout comes while the step waits: it is raised at the next await."
            async def late():
                wait("timeout")
                await asyncio.sleep(3600)
            try:
                await asyncio.wait_for(late(), 0.001)
            except asyncio.TimeoutError:
                return
            raise AssertionError("not timed out")
        async def do_children(self):
            async def child(n):
                VAR.set(n)
                wait("children")
                await asyncio.sleep(0)
                assert VAR.get() == n
                return n
            assert await asyncio.gather(*map(child, range(5))) == list(range(5))
        async def do_thread(self):
            await asyncio.get_running_loop().run_in_executor(None, wait, "thread")
        async def do_raises(self):
            wait("raises")
            raise ValueError("after waiting")
        async def do_callback(self):
            done = asyncio.Event()
            def blocks():
                wait("callback")
                assert asyncio.get_running_loop() and asyncio.current_task() is None
                done.set()
            IOLoop.current().add_callback(blocks)
            await done.wait()

    class Stop(tornado.web.RequestHandler):
        def get(self):
            self.finish("ok")
            wait("stop")

    class Exit(tornado.web.RequestHandler):
        def get(self):
            def leave():
                wait("exit")
                raise SystemExit(7)
            IOLoop.current().add_callback(leave)
            self.write("ok")

    app = tornado.web.Application([("/stop", Stop), ("/exit", Exit), ("/(.*)", Handler)])
    """

    def test_whatever_waits_on_the_loop(self):
        names = ("initialize", "blocks", "deep", "timeout", "children", "thread", "raises", "callback")
        with Front(self.WAITING, "gtornado") as front:
            streams = [front.start("/" + name, headers=HOST) for _ in range(3) for name in names]
            for name in names:
                front.wait_file("waiting-" + name)
            quick = front.call("/index", headers=HOST)
            self.assertEqual(bytes(quick.body), b"index", front.output())
            self.assertFalse(any(s.done for s in streams))
            front.touch("go")
            front.wait_done(*streams)
            for stream, name in zip(streams, names * 3):
                expected = (500, None) if name == "raises" else (200, name)
                self.assertEqual((stream.status, bytes(stream.body).decode() if stream.status == 200 else None), expected, front.output())
            self.assertIn("after waiting", front.output())
            self.assertEqual(front.shutdown(), 0)

    def test_loop_stops_while_a_callback_waits(self):
        with Front(self.WAITING, "gtornado") as front:
            stream = front.call("/stop", headers=HOST)
            self.assertEqual(bytes(stream.body), b"ok")
            front.wait_file("waiting-stop")
            self.assertEqual((front.shutdown(), front.output()), (0, ""))

    def test_exit_in_a_callback_that_waited(self):
        with Front(self.WAITING, "gtornado") as front:
            front.call("/exit", headers=HOST)
            front.wait_file("waiting-exit")
            front.touch("go")
            self.assertEqual(front.process.wait(10), 7, front.output())

    def test_asyncio_run_while_handlers_wait(self):
        """A loop of a greenlet's own and the IOLoop take turns; neither sees the other as running."""
        source = """
        import asyncio, time
        import tornado.web
        class Own(tornado.web.RequestHandler):
            async def get(self):
                for _ in range(10):
                    await asyncio.sleep(0.002)
                    time.sleep(0.001)
                    assert asyncio.get_running_loop() and asyncio.current_task()
                self.write("loop")
        class Green(tornado.web.RequestHandler):
            def get(self):
                for _ in range(10):
                    time.sleep(0.002)
                    assert asyncio.get_running_loop()
                self.write("greenlet")
        app = tornado.web.Application([("/own", Own), ("/green", Green)])
        """
        with Front(source, "gtornado") as front:
            streams = [front.start(path, headers=HOST) for _ in range(20) for path in ("/own", "/green")]
            front.wait_done(*streams)
            self.assertEqual([bytes(s.body) for s in streams], [b"loop", b"greenlet"] * 20, front.output())


if __name__ == "__main__":
    unittest.main()
