"""Applications of which one request blocks its worker, or ends it."""

import asyncio
import ctypes
import os
import time
from urllib.parse import parse_qs

try:  # what gevent puts in its place would let other requests run
    from gevent.monkey import get_original
except ImportError:
    sleep = time.sleep
else:
    sleep = get_original("time", "sleep")


def work(path, query):
    """What a request does before it answers with the number of its process."""
    if path == "/block":
        with open(query["entered"][0], "a") as file:
            file.write("%d\n" % os.getpid())
        until = time.monotonic() + 60
        while not os.path.exists(query["leave"][0]) and time.monotonic() < until:
            sleep(0.01)
    elif path == "/poison":
        ctypes.string_at(0)
    return b"%d" % os.getpid()


def wsgi(environ, start_response):
    body = work(environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    query = parse_qs(scope["query_string"].decode())
    if scope["path"] == "/wait":
        with open(query["entered"][0], "a") as file:
            file.write("%d\n" % os.getpid())
        while not os.path.exists(query["leave"][0]):
            await asyncio.sleep(0.01)
    body = work(scope["path"], query)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
