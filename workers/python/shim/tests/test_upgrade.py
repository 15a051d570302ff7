"""Applications that take the client's connection over: by a socket in the environ, and by Tornado's detach()."""
import functools
import struct
import time
import unittest

from .front import ANSWERS, DEADLINE, SHUTDOWN, Front, frame
from .models import TORNADO_MODELS, WSGI_MODELS, has
from .shared import shared

GREEN_MODELS = [m for m in ("gevent", "gtornado") if m in WSGI_MODELS]
HOST = [("Host", "example.org")]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
WSGI = """
SWITCH = %r

class Left(list):
    def close(self):
        open("closed", "w").close()

def app(environ, start_response):
    path, sock = environ["PATH_INFO"], environ.get("gunicorn.socket")
    if path in ("/", "/sockets"):
        start_response("200 OK", [])
        return [repr(sorted(k for k, v in environ.items() if "socket" in k.lower() and not isinstance(v, str))).encode()]
    if path == "/facts":
        sock.setsockopt(6, 1, 1)
        with sock.dup() as copy:
            copy.sendall(SWITCH + repr((sock.getpeername(), sock.getsockname(), sock.gettimeout())).encode())
        return []
    if path == "/echo":
        sock.sendall(SWITCH)
        while True:
            data = sock.recv(65536)
            if not data:
                return Left()
            sock.sendall(data)
    if path == "/both":
        sock.sendall(SWITCH)
        start_response("200 OK", [])
        return [b"ignored"]
    if path == "/normal":
        start_response("200 OK", [])
        return [b"normal"]
    if path == "/streamed":
        start_response("200 OK", [])
        return iter([b"no", b"rmal"])
    if path == "/closed":
        sock.close()
        return []
    if path == "/file":
        with sock.makefile("rwb") as f:
            f.write(SWITCH)
            f.write(f.readline())
        return object()
    if path == "/generator":
        return generator(sock)
    sock.sendall(SWITCH)
    raise {"/stop": StopIteration, "/left": BrokenPipeError, "/werkzeug": ConnectionError, "/bug": ValueError}[path]()

def generator(sock):
    sock.sendall(SWITCH)
    yield from ()
""" % SWITCH


def every(source, models):
    """Runs a test once with a worker of each model, which must give back every descriptor."""

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for self.model in models:
                with self.subTest(model=self.model), shared(source, self.model) as front:
                    front.call("/", headers=HOST)  # what is made at the first call is not a leak
                    before = front.descriptors()
                    test(self, front)
                    front.wait_done(*front.streams.values())
                    deadline = time.monotonic() + DEADLINE
                    while front.descriptors() != before:
                        self.assertLess(time.monotonic(), deadline, "descriptors are left open")
                        front.call("/", headers=HOST)
                    front.call("/", headers=HOST)  # what the end of a socket has called has run

        return run

    return decorate


def read_all(sock):
    with sock:
        data = b""
        while True:
            piece = sock.recv(65536)
            if not piece:
                return data
            data += piece


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, data
        data += piece
    return data


def read_head(sock):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += read_exactly(sock, 1)
    return data.decode()


class WSGISockets(unittest.TestCase):
    @every(WSGI, WSGI_MODELS)
    def test_echo(self, front):
        stream, sock = front.upgrade("/echo")
        self.assertEqual(read_exactly(sock, len(SWITCH)), SWITCH)
        for message in (b"hello", b"x" * 100_000):
            sock.sendall(message)
            self.assertEqual(read_exactly(sock, len(message)), message)
        self.assertFalse(stream.done)
        sock.close()
        front.wait_done(stream)
        self.assertEqual((stream.status, stream.error), (None, None))
        self.assertTrue(front.exists("closed"))

    @every(WSGI, WSGI_MODELS)
    def test_ways_to_leave_the_call(self, front):
        for path in ("/stop", "/left", "/werkzeug", "/generator"):
            stream, sock = front.upgrade(path)
            self.assertEqual(read_all(sock), SWITCH)
            front.wait_done(stream)
            self.assertEqual((path, stream.status, stream.error), (path, None, None))
        stream, sock = front.upgrade("/file")
        sock.sendall(b"a line\n")
        self.assertEqual(read_all(sock), SWITCH + b"a line\n")
        front.wait_done(stream)
        self.assertEqual((stream.status, stream.error), (None, None))
        stream, sock = front.upgrade("/bug")
        self.assertEqual(read_all(sock), SWITCH)
        front.wait_done(stream)
        self.assertIn("ValueError", stream.error[1])

    @every(WSGI, WSGI_MODELS)
    def test_ordinary_answers(self, front):
        for path in ("/normal", "/streamed"):
            stream, sock = front.upgrade(path)
            self.assertEqual(read_all(sock), b"")
            front.wait_done(stream)
            self.assertEqual((stream.status, bytes(stream.body)), (200, b"normal"))
        stream, sock = front.upgrade("/both")
        self.assertEqual(read_all(sock), SWITCH)
        front.wait_done(stream)
        stream, sock = front.upgrade("/closed")
        self.assertEqual(read_all(sock), b"")
        front.wait_done(stream)
        self.assertEqual((stream.status, stream.error), (None, None))

    @every(WSGI, WSGI_MODELS)
    def test_facts(self, front):
        stream, sock = front.upgrade("/facts")
        facts = read_all(sock)[len(SWITCH):]
        self.assertEqual(eval(facts), (("127.0.0.1", 5000), ("10.0.0.1", 8080), None))
        self.assertEqual(eval(front.call("/sockets").body), [])
        stream, sock = front.upgrade("/sockets")
        self.assertEqual(read_all(sock), b"")
        front.wait_done(stream)
        offered = ["gunicorn.socket"]
        if self.model in GREEN_MODELS and has("geventwebsocket"):
            offered.append("wsgi.websocket")
        self.assertEqual(eval(stream.body), offered)

    @every(WSGI, WSGI_MODELS)
    def test_a_call_that_never_starts(self, front):
        stream, sock = front.upgrade("/echo", left=True)
        sock.close()
        front.wait_done(stream)

    @every(WSGI, GREEN_MODELS)
    def test_many_at_a_time(self, front):
        open_ones = [front.upgrade("/echo") for _ in range(100)]
        for n, (_, sock) in enumerate(open_ones):
            read_exactly(sock, len(SWITCH))
            sock.sendall(b"%03d" % n)
        for n, (_, sock) in enumerate(open_ones):
            self.assertEqual(read_exactly(sock, 3), b"%03d" % n)
            sock.close()
        front.wait_done(*(s for s, _ in open_ones))

    def test_shutdown_waits_for_the_call(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(WSGI, model) as front:
                stream, sock = front.upgrade("/echo")
                read_exactly(sock, len(SWITCH))
                front.send(frame(SHUTDOWN, 0))
                sock.sendall(b"still there")
                self.assertEqual(read_exactly(sock, 11), b"still there")
                sock.close()
                self.assertEqual(front.process.wait(20), 0)


GEVENT_WEBSOCKET = """
def app(environ, start_response):
    ws = environ.get("wsgi.websocket")
    if ws is None or environ["PATH_INFO"] == "/untouched":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"plain"]
    assert (ws.version, ws.path, ws.origin) == ("13", environ["PATH_INFO"], None)
    assert environ["wsgi.websocket"] is not None and environ["wsgi.websocket_version"] == "13"
    clients = environ["wsgi.websocket"].handler.server.clients
    while True:
        message = ws.receive()
        if message is None:
            break
        ws.send("%d %s" % (len(clients), message))
        if message == "return":
            break
    return []
"""


def client_frame(opcode, payload):
    return struct.pack("!BBI", 0x80 | opcode, 0x80 | len(payload), 0) + payload


def server_frame(sock):
    first, second = read_exactly(sock, 2)
    return first & 0x0F, read_exactly(sock, second)


@unittest.skipUnless(has("gevent", "geventwebsocket"), "gevent-websocket is not installed")
class GeventWebSocket(unittest.TestCase):
    @every(GEVENT_WEBSOCKET, GREEN_MODELS)
    def test_echo(self, front):
        stream, sock = front.upgrade("/path")
        head = read_head(sock)
        self.assertTrue(head.startswith("HTTP/1.1 101 Switching Protocols\r\n"), head)
        self.assertIn("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", head)
        sock.sendall(client_frame(1, b"hello"))
        self.assertEqual(server_frame(sock), (1, b"1 hello"))
        sock.sendall(client_frame(1, b"return"))
        self.assertEqual(server_frame(sock), (1, b"1 return"))
        self.assertEqual(server_frame(sock)[0], 8)
        self.assertEqual(read_all(sock), b"")
        front.wait_done(stream)
        self.assertIsNone(stream.error)

    @every(GEVENT_WEBSOCKET, GREEN_MODELS)
    def test_a_websocket_that_is_not_used(self, front):
        self.assertEqual(bytes(front.call("/").body), b"plain")
        stream, sock = front.upgrade("/untouched")
        self.assertEqual(read_all(sock), b"")
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"plain")

    @every(GEVENT_WEBSOCKET, GREEN_MODELS)
    def test_a_handshake_that_the_library_refuses(self, front):
        stream, sock = front.upgrade("/path", headers=[("Sec-WebSocket-Key", "c2hvcnQ=")])
        self.assertTrue(read_head(sock).startswith("HTTP/1.1 400 Bad Request\r\n"))
        self.assertIn(b"Invalid key", read_all(sock))
        front.wait_done(stream)


TORNADO = """
import asyncio, os
import tornado.web, tornado.websocket

class Echo(tornado.websocket.WebSocketHandler):
    def select_subprotocol(self, offered):
        return offered[-1] if offered else None
    def open(self):
        self.write_message("open")
    def on_message(self, message):
        if message == "close":
            self.close(4001, "enough")
        else:
            self.write_message(message, binary=isinstance(message, bytes))
    def on_close(self):
        with open("closed", "a") as f:
            f.write("%s\\n" % self.close_code)

class Late(Echo):
    async def prepare(self):
        while not os.path.exists("go"):
            await asyncio.sleep(0.005)

class Raw(tornado.web.RequestHandler):
    async def get(self):
        stream = self.detach()
        await stream.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: raw\\r\\n\\r\\nraw")
        stream.close()

class Bare(tornado.web.RequestHandler):
    def get(self):
        self.set_status(101)
        self.finish()

class Plain(tornado.web.RequestHandler):
    def get(self):
        self.write("plain")

class Raises(tornado.websocket.WebSocketHandler):
    def prepare(self):
        raise ValueError("deliberate")

app = tornado.web.Application([("/", Plain), ("/echo", Echo), ("/late", Late), ("/raw", Raw), ("/bare", Bare), ("/raises", Raises)],
                              websocket_ping_interval=0.05)
"""


class TornadoSockets(unittest.TestCase):
    @every(TORNADO, TORNADO_MODELS)
    def test_echo(self, front):
        stream, sock = front.upgrade("/echo", headers=[("Sec-WebSocket-Protocol", "one, two")])
        head = read_head(sock)
        self.assertTrue(head.startswith("HTTP/1.1 101 Switching Protocols\r\n"), head)
        self.assertIn("Sec-Websocket-Protocol: two\r\n", head)
        front.wait_done(stream)  # an open socket is no call that runs
        self.assertEqual((stream.status, stream.error), (None, None))
        self.assertEqual(server_frame(sock), (1, b"open"))
        self.assertEqual(server_frame(sock)[0], 9)
        sock.sendall(client_frame(10, b"") + client_frame(2, b"\x00\xff"))
        answer = server_frame(sock)
        while answer[0] == 9:
            sock.sendall(client_frame(10, answer[1]))
            answer = server_frame(sock)
        self.assertEqual(answer, (2, b"\x00\xff"))
        sock.sendall(client_frame(1, b"close"))
        answer = server_frame(sock)
        while answer[0] == 9:
            answer = server_frame(sock)
        self.assertEqual(answer, (8, struct.pack("!H", 4001) + b"enough"))
        sock.sendall(client_frame(8, answer[1]))
        self.assertEqual(read_all(sock), b"")

    @every(TORNADO, TORNADO_MODELS)
    def test_a_client_that_does_not_answer_pings(self, front):
        stream, sock = front.upgrade("/echo")
        read_head(sock)
        while True:
            opcode, payload = server_frame(sock)
            if opcode == 8:
                break
        self.assertIn(b"ping timed out", payload)
        sock.close()
        front.wait_file("closed")

    @every(TORNADO, TORNADO_MODELS)
    def test_refusals(self, front):
        for path, headers, status in (
            ("/echo", [("Origin", "http://elsewhere.example")], 403), ("/", [], 200), ("/nothing", [], 404), ("/raises", [], 500),
        ):
            stream, sock = front.upgrade(path, headers=headers)
            self.assertEqual(read_all(sock), b"")
            front.wait_done(stream)
            self.assertEqual((path, stream.status, stream.kinds), (path, status, [ANSWERS]))
        self.assertEqual(front.call("/echo", headers=HOST).status, 400)

    @every(TORNADO, TORNADO_MODELS)
    def test_detach(self, front):
        stream, sock = front.upgrade("/raw")
        self.assertEqual(read_all(sock), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\n\r\nraw")
        front.wait_done(stream)
        stream, sock = front.upgrade("/bare")
        self.assertTrue(read_all(sock).startswith(b"HTTP/1.1 101 Switching Protocols\r\n"))
        front.wait_done(stream)
        for path in ("/raw", "/bare"):
            self.assertIsNotNone(front.call(path, headers=HOST).error)
            self.assertIn("only the connection of a request that offers an upgrade", front.output())

    @every(TORNADO, TORNADO_MODELS)
    def test_a_client_that_leaves(self, front):
        stream, sock = front.upgrade("/echo")
        read_head(sock)
        sock.close()
        front.wait_file("closed")
        stream, sock = front.upgrade("/late")
        sock.close()
        front.cancel(stream)
        front.wait_done(stream)
        front.touch("go")
        front.call("/")

    def test_shutdown_waits_for_sockets(self):
        for model in TORNADO_MODELS:
            with self.subTest(model=model), Front(TORNADO, model) as front:
                stream, sock = front.upgrade("/echo")
                read_head(sock)
                front.wait_done(stream)
                front.send(frame(SHUTDOWN, 0))
                self.assertEqual(server_frame(sock), (1, b"open"))
                sock.shutdown(1)
                front.wait_file("closed")
                self.assertEqual(front.process.wait(20), 0)
                sock.close()


if __name__ == "__main__":
    unittest.main()
