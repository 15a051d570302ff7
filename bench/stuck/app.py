"""An application of which one request blocks its worker for as long as the path says."""

import time


def wsgi(environ, start_response):
    block(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    block(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


def block(path):
    if path.startswith("/block/"):
        _sleep(float(path[len("/block/"):]))


try:  # gevent's own would let other requests run
    from gevent.monkey import get_original
except ImportError:
    _sleep = time.sleep
else:
    _sleep = get_original("time", "sleep")
