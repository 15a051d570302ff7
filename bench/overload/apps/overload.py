"""What attackers and honest clients ask for, the same under WSGI and ASGI.

GET /bytes/N    N bytes
PUT /echo       the body comes back
PUT /slow       the body is read, and answered after two seconds
/ws             a WebSocket echo (ASGI)
"""

import asyncio
import time

PAUSE = 2
PATTERN = b"0123456789abcdef" * 65536


def content(path):
    n = int(path.removeprefix("/bytes/"))
    return (PATTERN * (n // len(PATTERN) + 1))[:n]


def wsgi(environ, start_response):
    path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
    if path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/slow":
        body = b"%d" % len(environ["wsgi.input"].read())
        time.sleep(PAUSE)
    else:
        body = content(path)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        await respond(scope["path"], receive, send)


async def respond(path, receive, send):
    body = await whole(receive)
    if path == "/slow":
        body = b"%d" % len(body)
        await asyncio.sleep(PAUSE)
    elif path != "/echo":
        body = content(path)
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def whole(receive):
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def echo(receive, send):
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
