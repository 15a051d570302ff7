"""A worker that has run out of descriptors, and what is kept of calls that were given up."""
import time
import unittest

from .front import CANCEL, DEADLINE, PING, PONG, Front
from .models import WSGI_MODELS

SCARCE = """
import os, resource
HELD = []
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/take":
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            while True:
                HELD.append(os.dup(0))
        except OSError:
            pass
    if path == "/give":
        while HELD:
            os.close(HELD.pop())
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]
"""
POLLING = """
import asyncio
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    else:
        await receive()
    pending = [asyncio.ensure_future(receive())]  # one that goes on
    await asyncio.sleep(0)
    for _ in range(3000):
        one = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        one.cancel()
        try:
            await one
        except asyncio.CancelledError:
            pass
    kept = len(receive.__self__.waiting)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": str(kept)})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % kept})
    await pending[0]
"""


def give(front):
    """Has the worker close what it holds, which gevent's loop does later."""
    until = time.monotonic() + DEADLINE
    front.call("/give")
    while front.descriptors() > 50:
        assert time.monotonic() < until, "the worker keeps its descriptors"
        front.call("/give")


class Descriptors(unittest.TestCase):
    def test_no_room_for_a_body(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(SCARCE, model) as front:
                front.call("/take")
                lost = [front.call_with_file(b"x" * 100000) for _ in range(2)]
                for stream in lost:
                    self.assertIn("no room for the descriptor", stream.error[0])
                front.control_frame(PING, raw=b"12345678")
                self.assertEqual(front.reply(PONG), b"12345678")
                give(front)
                stream = front.call_with_file(b"x" * 100000)
                self.assertEqual((stream.error, len(stream.body)), (None, 100000))
                self.assertEqual(front.shutdown(), 0)

    def test_no_room_for_one_that_nobody_takes(self):
        with Front(SCARCE, "sync") as front:
            front.call("/take")
            front._pass(77, 0)
            front.control_frame(CANCEL, (77, True))  # before it is read
            give(front)
            self.assertEqual(len(front.call_with_file(b"x" * 100000).body), 100000)


class Failures(unittest.TestCase):
    def test_at_the_start(self):
        for source in (
            "raise ValueError('x' * (9 << 20))",
            "class Mute(Exception):\n def __str__(self):\n  raise SystemExit\nraise Mute",
            "class Meta(type):\n def __getattribute__(cls, name):\n  raise SystemExit\nclass Masked(Exception, metaclass=Meta):\n pass\nraise Masked",
            "raise type('N' * (9 << 20), (Exception,), {})",
            "error = SyntaxError('bad')\nerror.text, error.offset = 'x', 10**9\nraise error",
        ):
            with self.subTest(source=source), Front(source, "sync") as front:
                self.assertEqual(front.failed and front.failed["phase"], "import")
                self.assertLess(sum(map(len, front.failed.values())), 200000)


class Polling(unittest.TestCase):
    def test_calls_of_receive_that_were_cancelled(self):
        with Front(POLLING, "asgi") as front:
            stream = front.start("/")
            front.wait(lambda: stream.whole or stream.ended, "an answer")
            self.assertLessEqual(int(stream.body), 2)
            front.cancel(stream)
            front.wait_done(stream)


if __name__ == "__main__":
    unittest.main()
