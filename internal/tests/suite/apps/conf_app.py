"""What the tests of gunicorn.conf.py serve: applications in which the work of hooks can be seen."""
import logging
import os
import sys
import time

log = logging.getLogger("shop")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ValueError("out of stock")
    if path == "/sleep":
        time.sleep(60)
    if path == "/log":
        log.debug("a debug line of the shop")
        logging.getLogger("other").info("a line of another logger")
    if path == "/span":
        from opentelemetry import trace

        with trace.get_tracer("shop").start_as_current_span("sale"):
            pass
    body = (environ.get("HTTP_X_HOOK") or str(os.getpid())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def streamed(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ.get("HTTP_X_HOOK", "").encode()
    yield b"!"


def reporting(environ, start_response):
    import sentry_sdk

    try:
        return application(environ, start_response)
    except ValueError as error:
        sentry_sdk.capture_exception(error)
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"reported"]


_requests = None


def counting(environ, start_response):
    global _requests
    if _requests is None:
        from prometheus_client import Counter, Gauge

        Gauge("shop_workers", "Workers that live.", multiprocess_mode="livesum").set(1)
        _requests = Counter("shop_requests", "Requests.")
    _requests.inc()
    return application(environ, start_response)


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    headers = dict(scope["headers"])
    body = headers.get(b"x-hook") or headers.get(b"x-request-start") or b"-"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def tornado():
    import tornado.web

    class Handler(tornado.web.RequestHandler):
        def get(self):
            self.set_header("Content-Type", "text/plain")
            self.write(self.request.headers.get("X-Hook", "-"))

    return tornado.web.Application([(r".*", Handler)])
