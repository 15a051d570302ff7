"""Calls that are ended by an exception, as the front asks for it."""
import unittest
from marshal import dumps

from .front import Front, frame
from .models import EVENT_LOOPS, TORNADO_MODELS, WSGI_MODELS

INTERRUPT = 139
HANGING = """
import asyncio, os, threading, time

def note(name, error):
    with open(name + ".part", "w") as file:
        file.write("%s: %s" % (type(error).__name__, error))
    os.rename(name + ".part", name)

def run(name):
    open(name + ".in", "w").close()
    try:
        if name == "spin":
            while True:
                pass
        if name == "stubborn":  # tries again whatever fails
            while True:
                try:
                    time.sleep(0.01)
                except Exception:
                    pass
        time.sleep(3600)
    except BaseException as error:
        note(name, error)
        raise

def body(name):
    open(name + ".in", "w").close()
    try:
        yield b"x" * 100
        while True:
            time.sleep(0.01)
    except BaseException as error:
        note(name, error)
        raise

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    start_response("200 OK", [])
    if name == "body":
        return body(name)
    if name:
        run(name)
    return [b"%d" % os.getpid()]

async def task(name):
    if name == "await":
        open(name + ".in", "w").close()
        try:
            await asyncio.sleep(3600)
        except BaseException as error:
            note(name, error)
            raise
    elif name:
        run(name)

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    await task(scope["path"].strip("/"))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})

def make_tornado():
    from tornado import web
    class Handler(web.RequestHandler):
        async def get(self, name):
            await task(name)
            self.write("%d" % os.getpid())
    return web.Application([("/(.*)", Handler)])
"""


def ask(front, *streams):
    front.control.sendall(frame(INTERRUPT, 0, dumps(([stream.number for stream in streams], "it took too long"), 4)))


class Interrupts(unittest.TestCase):
    def end(self, front, name):
        """Has the call of a request ended."""
        stream = front.start("/" + name, headers=[("Host", "example.org")])
        front.wait_file(name + ".in")
        ask(front, stream)
        front.wait_file(name)
        with open(front.directory + "/" + name) as f:
            self.assertIn(": it took too long", f.read())
        if not stream.done:
            front.cancel(stream)
        front.wait_done(stream)
        front.remove(name, name + ".in")

    def serves(self, front):
        self.assertEqual(int(bytes(front.call("/", headers=[("Host", "example.org")]).body)), front.process.pid)
        self.assertIsNone(front.breach)
        self.assertEqual((front.shutdown(), [record for record in front.logs if record[0] >= 40]), (0, []))

    def test_wsgi(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(HANGING, model, threads=2) as front:
                names = ["spin", "stubborn", "body"]
                if model not in ("gthread", "asgi"):  # whose threads hear of nothing in a system call
                    names.append("wait")
                for name in names * 2:
                    self.end(front, name)
                self.others_are_not_hit(front)
                self.serves(front)

    def test_asgi(self):
        for loop in EVENT_LOOPS:
            with self.subTest(loop=loop), Front(HANGING, "asgi", app="fixture:asgi", loop=loop) as front:
                for name in ["spin", "stubborn", "wait", "await"] * 2:
                    self.end(front, name)
                self.serves(front)

    def test_tornado(self):
        for model in TORNADO_MODELS:
            with self.subTest(model=model), Front(HANGING, model, app="fixture:make_tornado()") as front:
                for name in ["spin", "stubborn", "wait", "await"]:
                    self.end(front, name)
                self.serves(front)

    def others_are_not_hit(self, front):
        """What is asked for when its call has ended, or is about to, does not end the next one."""
        for _ in range(100):
            streams = front.post_batch([front.request("/") for _ in range(5)])
            ask(front, *streams)
            front.wait_done(*streams)
            self.assertEqual([stream.error for stream in streams], [None] * 5)


class LastCall(unittest.TestCase):
    SOURCE = """
    import asyncio
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            open("shut", "w").close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        open("in", "w").close()
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError as error:
                if scope["path"] == "/resists":
                    continue
                raise
    """

    def test_tasks_that_go_on(self):
        for path in ("/ignores", "/resists"):
            for loop in EVENT_LOOPS:
                with self.subTest(path=path, loop=loop), Front(self.SOURCE, "asgi", loop=loop) as front:
                    stream = front.start(path)
                    front.wait_file("in")
                    front.cancel(stream)
                    ask(front)
                    if path == "/resists":
                        front.wait_file("shut")
                    else:
                        self.assertEqual(front.shutdown(), 0)
                        self.assertTrue(front.exists("shut"))


if __name__ == "__main__":
    unittest.main()
