"""What an application leaves behind when its call has returned: tasks, threads and handlers that go on to use what they were
given. Nothing of theirs may reach the front, which ends a worker that sends on a stream which has ended."""
import unittest

from .front import ABORT, DATA, DONE, END, Front
from .models import TORNADO_MODELS, WSGI_MODELS
from .shared import shared
from .test_asgi_websocket import SocketFront

HOST = [("Host", "example.org")]
ASGI = """
import asyncio, os

LEFT = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] == "/":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
        return
    LEFT.append(asyncio.ensure_future(go_on(scope["path"][1:], receive, send)))
    if scope["type"] == "websocket":
        await receive()
        if "accepted" in scope["path"]:
            await send({"type": "websocket.accept"})
    elif "answered" in scope["path"]:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answered"})

async def attempt(f, *args):
    try:
        return await f(*args)
    except OSError:
        return {"type": "disconnect"}
    except RuntimeError:
        return {"type": "refused"}

MESSAGES = {
    "http": [{"type": "http.response.start", "status": 200, "headers": []}, {"type": "http.response.body", "body": b"late"},
             {"type": "http.response.early_hint", "links": [b"</late>"]}, {"type": "http.response.body", "body": b"more", "more_body": True}],
    "websocket": [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "late"}, {"type": "websocket.send", "bytes": b"x" * 100000},
                  {"type": "websocket.close"}, {"type": "websocket.http.response.start", "status": 400, "headers": []},
                  {"type": "websocket.http.response.body", "body": b"late"}],
}

async def go_on(name, receive, send):
    while not os.path.exists("go"):
        await asyncio.sleep(0.002)
    for message in MESSAGES["http" if name.startswith("http") else "websocket"]:
        await attempt(send, message)
    for _ in range(5):
        if "disconnect" in (await attempt(receive))["type"]:
            break
    open("gone-on-" + name, "w").close()
"""

WSGI = """
import os, threading, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    write = start_response("200 OK", [("X-Path", path)])
    if path == "/":
        return [b"hello"]
    if path == "/closing":
        return Closing(write)
    if path == "/streamed":
        write(b"streamed")
    threading.Thread(target=go_on, args=(path[1:], write, environ["wsgi.early_hints"])).start()
    return iter([b"", b"answered"]) if path == "/iterated" else [b"answered"]

def go_on(name, write, hint):
    while not os.path.exists("go"):
        time.sleep(0.002)
    for late in (lambda: hint([("Link", "</late>")]), lambda: write(b"late"), lambda: write(b"later")):
        try:
            late()
        except AssertionError:
            pass
    open("gone-on-" + name, "w").close()

class Closing:
    def __init__(self, write):
        self._write = write
    def __iter__(self):
        return iter([b"one", b"two"])
    def close(self):
        try:
            self._write(b"three")
        finally:
            raise ValueError("closing")
"""

TORNADO = """
import asyncio, os
from tornado import httputil, iostream, web

class Index(web.RequestHandler):
    def get(self):
        self.write("hello")

class Late(web.RequestHandler):
    async def get(self, name):
        if name == "streamed":
            self.write("some")
            await self.flush()
        self.finish("answered")
        connection = self.request.connection
        for late in (lambda: connection.write(b"late"),
                     lambda: connection.write_headers(httputil.ResponseStartLine("HTTP/1.1", 103, "Early Hints"), httputil.HTTPHeaders()),
                     lambda: connection.write_headers(httputil.ResponseStartLine("HTTP/1.1", 200, "OK"), httputil.HTTPHeaders(), b"late"),
                     connection.finish, self.detach):
            try:
                await late()
            except (iostream.StreamClosedError, NotImplementedError, TypeError):
                pass
            await asyncio.sleep(0)
        open("gone-on-" + name, "w").close()

class Large(web.RequestHandler):
    def get(self):
        self.finish(b"x" * 1000000)

@web.stream_request_body
class Early(web.RequestHandler):
    def data_received(self, data):
        if not self._finished:
            self.finish("early")
        return asyncio.sleep(0)
    def post(self):
        pass

app = web.Application([("/", Index), ("/large", Large), ("/early", Early), ("/(.*)", Late)])
"""


class LeftBehind(unittest.TestCase):
    def goes_on(self, front, name):
        """What was left behind does its worst, and the worker serves on."""
        front.touch("go")
        front.wait_file("gone-on-" + name)
        front.remove("go")
        self.assertEqual(bytes(front.call("/", headers=HOST).body), b"hello")
        self.assertIsNone(front.breach)

    def test_tasks(self):
        with Front(ASGI, "asgi") as front:
            for name in ("http", "http-answered"):
                stream = front.start("/" + name, method="POST", body=None)
                for _ in range(4):
                    front.body(stream, b"b" * 16384)
                front.wait_done(stream)
                self.goes_on(front, name)

    def test_tasks_of_websockets(self):
        with SocketFront(ASGI) as front:
            for name in ("websocket", "websocket-accepted"):
                stream = front.open("/" + name)
                if "accepted" in name:
                    front.message(*[(stream, "x" * 16384) for _ in range(4)])
                front.wait_done(stream)
                self.goes_on(front, name)

    def test_threads(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), shared(WSGI, model) as front:
                for name in ("answered", "iterated", "streamed"):
                    stream = front.call("/" + name, headers=HOST)
                    self.assertTrue(bytes(stream.body).endswith(b"answered"))
                    self.goes_on(front, name)

    def test_an_end_that_fails(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), shared(WSGI, model) as front:
                stream = front.call("/closing")
                self.assertEqual((bytes(stream.body), stream.ended), (b"onetwo", True))
                self.assertNotIn(ABORT, stream.kinds)
                self.assertEqual(bytes(front.call("/", headers=HOST).body), b"hello")

    def test_handlers(self):
        for model in TORNADO_MODELS:
            with self.subTest(model=model), shared(TORNADO, model) as front:
                for name in ("answered", "streamed"):
                    stream = front.call("/" + name, headers=HOST)
                    self.assertTrue(bytes(stream.body).endswith(b"answered"))
                    self.goes_on(front, name)

    def test_a_handler_that_does_not_want_its_body(self):
        for model in TORNADO_MODELS:
            with self.subTest(model=model), shared(TORNADO, model) as front:
                stream = front.start("/early", method="POST", body=None, headers=HOST)
                for _ in range(8):
                    front.body(stream, b"b" * 8192)
                front.wait_done(stream)
                front.body(stream, b"", END)
                self.assertEqual(bytes(front.call("/", headers=HOST).body), b"hello")
                self.assertIsNone(front.breach)

    def test_a_client_that_leaves_a_whole_response(self):
        """It waits for a window that nobody opens any more: its room must be free all the same."""
        for model in TORNADO_MODELS:
            with self.subTest(model=model), Front(TORNADO, model, auto_window=False) as front:
                stream = front.start("/large", headers=HOST)
                front.wait(lambda: len(stream.body) == 262144, "a full window")
                front.cancel(stream)
                front.wait_done(stream)
                self.assertEqual({k for k in stream.kinds if k != DATA} & {DONE}, {DONE})
                self.assertEqual(front.shutdown(), 0)


if __name__ == "__main__":
    unittest.main()
