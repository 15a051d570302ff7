"""The same in three interfaces: what an application prints and logs while it answers, in each of the ways there are."""
import logging
import sys
import warnings

logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger("says.words")


def say(id):
    print("printed for", id)
    print("told for", id, file=sys.stderr)
    log.error("logged for %s\nin two lines", id)
    warnings.warn("warned for %s" % id)


def wsgi(environ, start_response):
    id = environ["HTTP_X_REQUEST_ID"]
    say(id)
    environ["wsgi.errors"].write("errors for %s\n" % id)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [id.encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    id = dict(scope["headers"])[b"x-request-id"].decode()
    say(id)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": id.encode()})


def native():
    from tornado import web

    class Says(web.RequestHandler):
        def get(self):
            id = self.request.headers["X-Request-ID"]
            say(id)
            self.finish(id)

    return web.Application([("/", Says)])
