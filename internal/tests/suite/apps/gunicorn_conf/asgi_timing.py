# An ASGI application under a worker class of uvicorn's, and how long its requests take.
import time

bind = "127.0.0.1:0"
worker_class = "uvicorn.workers.UvicornWorker"
workers = 1
http_protocols = "h1"
statistics = {}


def pre_request(worker, req):
    statistics[id(req)] = time.monotonic()
    req.headers.append(("X-Request-Start", "t=12"))


def post_request(worker, req, environ, resp):
    took = time.monotonic() - statistics.pop(id(req))
    worker.log.info("%s %s: %s after %.3f s, %s bytes for %s", req.method, req.path, resp.status, took, resp.sent, environ["HTTP_USER_AGENT"])
