"""The same in three interfaces, for clients that leave: answers at once, late, in pieces, and what counts a body."""
import asyncio
import time

PIECE = b"0123456789abcdef" * 1024  # 16 KiB
PIECES = 40


def wsgi(environ, start_response):
    path, word = environ["PATH_INFO"], environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/pieces":
        return pieces()
    if path == "/large":
        return [PIECE * PIECES]
    if path == "/late":
        time.sleep(0.01)
    elif path == "/busy":
        busy()
    size = len(environ["wsgi.input"].read())
    return [answer(path, word, size)]


def busy():
    """Compute: the worker's other threads have to wait for the interpreter."""
    until = time.monotonic() + 0.008
    while time.monotonic() < until:
        pass


def answer(path, word, size):
    return b"%s %s %d" % (path.encode(), word.encode(), size)


def pieces():
    for _ in range(PIECES):
        time.sleep(0.0005)
        yield PIECE


async def asgi(scope, receive, send):
    if scope["type"] == "websocket":
        await socket(scope, receive, send)
        return
    if scope["type"] != "http":
        raise NotImplementedError
    path, word, size = scope["path"], scope["query_string"].decode(), 0
    headers = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if path == "/pieces":
        await send(headers)
        for _ in range(PIECES):
            await asyncio.sleep(0.0005)
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if path == "/large":
        await send(headers)
        await send({"type": "http.response.body", "body": PIECE * PIECES})
        return
    if path == "/late":
        await asyncio.sleep(0.01)
    elif path == "/busy":
        busy()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    await send(headers)
    await send({"type": "http.response.body", "body": answer(path, word, size)})


async def socket(scope, receive, send):
    if scope["path"] == "/late":
        await asyncio.sleep(0.01)
    await send({"type": "websocket.accept"})
    await receive()
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "bytes": (message.get("bytes") or message["text"].encode()) * 100})


def native():
    from tornado import web
    from tornado.iostream import StreamClosedError

    class Answer(web.RequestHandler):
        async def get(self):
            if self.request.path == "/late":
                await asyncio.sleep(0.01)
            elif self.request.path == "/busy":
                busy()
            elif self.request.path == "/large":
                self.finish(PIECE * PIECES)
                return
            elif self.request.path == "/pieces":
                for _ in range(PIECES):
                    self.write(PIECE)
                    try:
                        await self.flush()
                    except StreamClosedError:
                        return
                return
            self.set_header("Content-Type", "text/plain")
            self.write(answer(self.request.path, self.request.query, len(self.request.body)))

        post = get

    return web.Application([("/.*", Answer)])
