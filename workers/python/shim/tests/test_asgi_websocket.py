"""ASGI's websocket scope, by a front that speaks PROTOCOL.md."""
import struct
import textwrap
import unittest
from marshal import dumps, loads

from .front import ABORT, ERROR, WINDOW, Front, frame

MESSAGES, ACCEPT, WORKER_MESSAGES = 7, 78, 79


class SocketFront(Front):
    """A front with WebSockets: what comes on them is kept by stream."""

    def __init__(self, *args, **kwargs):
        self.accepted, self.items = {}, {}
        super().__init__(*args, model="asgi", **kwargs)

    def _on_link(self, kind, flags, number, payload):
        if kind == ACCEPT:
            self.accepted[number] = loads(payload)
        elif kind == WORKER_MESSAGES:
            flat = loads(payload)
            for stream, item in zip(flat[::2], flat[1::2]):
                self.items.setdefault(stream, []).append(item)
        else:
            super()._on_link(kind, flags, number, payload)

    def open(self, path="/", headers=()):
        return self.start(path, headers=headers, scheme="ws")

    def message(self, *items):
        self.send(frame(MESSAGES, 0, dumps([i for s, item in items for i in (s.number, item)], 4)))

    def got(self, stream, count):
        self.wait(lambda: len(self.items.get(stream.number, ())) >= count, "%d items" % count)
        return self.items[stream.number]


ECHO = """
    import asyncio

    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        assert (await receive()) == {"type": "websocket.connect"}
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                open("ended", "w").write(repr(message))
                return
            message["type"] = "websocket.send"
            await send(message)
"""


def app(body):
    """An application whose websocket scope runs body."""
    head = "import asyncio\nfrom fixture_helpers import *\nasync def app(scope, receive, send):\n    if scope['type'] != 'websocket':\n        return\n"
    return head + textwrap.indent(textwrap.dedent(body), "    ")


HELPERS = {"fixture_helpers.py": """
    class Text(str):
        pass

    async def accept(receive, send, **more):
        await receive()
        await send({"type": "websocket.accept", **more})
"""}


def size(item):
    return len(item[0] if isinstance(item, tuple) else item)


class WebSocketTest(unittest.TestCase):
    def front(self, source, **hello):
        front = SocketFront(source, files=HELPERS, **hello)
        self.addCleanup(front.close)
        self.assertIsNone(front.failed)
        return front

    def test_echo_of_many_sockets_in_one_frame(self):
        front = self.front(ECHO)
        sockets = [front.open() for _ in range(20)]
        front.wait(lambda: len(front.accepted) == 20, "20 sockets")
        front.message(*[(s, item) for s in sockets for item in ("a", b"b", "grüße", "")])
        for s in sockets:
            self.assertEqual(front.got(s, 4), ["a", b"b", "grüße", ""])
        front.message((sockets[0], (4000, "why", False)))
        front.wait_done(sockets[0])
        front.wait_file("ended")

    def test_end_is_told_behind_the_messages(self):
        front = self.front(ECHO)
        s = front.open()
        front.wait(lambda: front.accepted, "ACCEPT")
        front.message((s, "last"), (s, (1007, "broken", True)))
        front.wait_done(s)
        self.assertEqual(front.got(s, 1), ["last"])
        with open(front.directory + "/ended") as f:
            self.assertEqual(f.read(), "{'type': 'websocket.disconnect', 'code': 1007, 'reason': 'broken'}")

    def test_accept_and_scope(self):
        front = self.front(app("""
            await receive()
            names = [Text(p) for p in scope["subprotocols"]]
            await send({"type": "websocket.accept", "subprotocol": names[1], "headers": [(Text("x-a"), b"1")]})
            await send({"type": "websocket.send", "text": Text(repr(sorted(scope)))})
            await send({"type": "websocket.send", "bytes": bytearray(scope["scheme"].encode())})
            await send({"type": "websocket.close", "code": 3000, "reason": Text("done")})
        """))
        s = front.open(headers=[("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Protocol", "c")])
        front.wait_done(s)
        self.assertEqual(front.accepted[s.number], ("b", ("x-a", b"1")))
        self.assertEqual(front.got(s, 3), [
            "['asgi', 'client', 'extensions', 'headers', 'http_version', 'path', 'query_string', 'raw_path', 'root_path', "
            "'scheme', 'server', 'subprotocols', 'type']", b"ws", (3000, "done")])

    def test_refusals(self):
        for body, status in {
            "await send({'type': 'websocket.close'})": 403,
            "await send({'type': 'websocket.http.response.start', 'status': 418, 'headers': []})\n"
            "await send({'type': 'websocket.http.response.body', 'body': b'x'})": 418,
        }.items():
            front = self.front(app(body))
            self.assertEqual(front.call(scheme="ws").status, status)

    def test_failures(self):
        front = self.front(app("raise ValueError('early')"))
        s = front.call(scheme="ws")
        self.assertEqual((s.kinds[0], s.error[0]), (ERROR, "ValueError: early"))
        front = self.front(app("await accept(receive, send)\nraise ValueError('late')"))
        s = front.call(scheme="ws")
        self.assertEqual((s.kinds[0], s.abort[0]), (ABORT, "ValueError: late"))
        self.assertIn("Traceback", s.abort[1])
        front = self.front(app("await accept(receive, send)"))
        s = front.call(scheme="ws")
        self.assertEqual(front.items[s.number], [(1000, "")])

    def test_what_may_not_be_sent(self):
        front = self.front(app("""
            errors = []
            async def wrong(message):
                try:
                    await send(message)
                except Exception as error:
                    errors.append(type(error).__name__)
                else:
                    errors.append("taken: %r" % message)
            await wrong({"type": "websocket.send", "text": "too early"})
            await accept(receive, send)
            await wrong({"type": "websocket.accept"})
            await wrong({"type": "websocket.send", "text": b"bytes"})
            await wrong({"type": "websocket.send", "bytes": "text"})
            await wrong({"type": "websocket.send", "text": "\\ud800"})
            await wrong({"type": "websocket.send"})
            await wrong({"type": "http.response.start", "status": 200})
            await wrong({"type": "websocket.http.response.start", "status": 200})
            await send({"type": "websocket.send", "text": repr(errors)})
            await send({"type": "websocket.close"})
            errors.clear()
            await wrong({"type": "websocket.send", "text": "too late"})
            await wrong({"type": "websocket.close"})
            open("errors", "w").write(repr(errors))
        """))
        s = front.call(scheme="ws")
        self.assertEqual(front.items[s.number][0], repr(
            ["RuntimeError", "RuntimeError", "TypeError", "TypeError", "UnicodeEncodeError", "KeyError", "RuntimeError", "RuntimeError"]))
        with open(front.directory + "/errors") as f:
            self.assertEqual(f.read(), "['RuntimeError', 'RuntimeError']")

    def test_pieces_both_ways(self):
        front = self.front(ECHO)
        s = front.open()
        front.wait(lambda: front.accepted, "ACCEPT")
        front.message((s, ("é" * 50000,)), (s, ("é" * 50000,)))
        front.message((s, "!"))
        front.wait(lambda: s.number in front.items and isinstance(front.items[s.number][-1], str), "the end")
        self.assertEqual("".join(i if isinstance(i, str) else i[0] for i in front.items[s.number]), "é" * 100000 + "!")
        self.assertTrue(all(len(i[0].encode()) <= 65536 for i in front.items[s.number][:-1]))

    def test_windows(self):
        front = self.front(app("""
            await accept(receive, send)
            for _ in range(100):
                await send({"type": "websocket.send", "bytes": bytes(10000)})
        """))
        s = front.open()
        front.wait(lambda: len(front.items.get(s.number, ())) > 25, "the window to be used up")
        self.assertEqual(len(front.items[s.number]), 27)  # 262144 / 10016, and one beyond
        while not s.done:
            count = len(front.items[s.number])
            front.send(frame(WINDOW, s.number, struct.pack("<I", 100160)))
            front.wait(lambda: s.done or len(front.items[s.number]) > count, "more")
        self.assertEqual(len(front.items[s.number]), 101)
        front = self.front(ECHO)
        s = front.open()
        front.wait(lambda: front.accepted, "ACCEPT")
        front.message(*[(s, "x" * 1000)] * 100)
        front.wait(lambda: front.grants.get(s.number, 0) >= 100 * 1016 - 32768, "grants")

    def test_client_leaves_first(self):
        front = self.front(app("""
            open("begun", "w")
            assert (await receive())["type"] == "websocket.connect"
            assert (await receive()) == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
            try:
                await send({"type": "websocket.accept"})
            except OSError:
                open("told", "w")
        """))
        s = front.open()
        front.wait_file("begun")
        front.cancel(s)
        front.wait_done(s)
        front.wait_file("told")

    def test_sends_from_several_tasks_are_not_mixed_up(self):
        front = self.front(app("""
            await accept(receive, send)
            await asyncio.gather(*[send({"type": "websocket.send", "bytes": bytes([n]) * 200000}) for n in range(3)])
        """))
        s = front.open()
        front.wait(lambda: sum(map(size, front.items.get(s.number, ()))) >= 262144, "the window to be used up")
        front.send(frame(WINDOW, s.number, struct.pack("<I", 400000)))
        front.wait_done(s)
        data, messages = b"", []
        for item in front.items[s.number][:-1]:
            data += item[0] if isinstance(item, tuple) else item
            if not isinstance(item, tuple):
                messages.append(data)
                data = b""
        self.assertEqual(sorted(messages), [bytes([n]) * 200000 for n in range(3)])


if __name__ == "__main__":
    unittest.main()
