"""The same in three interfaces: response heads of any size. /size?n has a field of n bytes, /fields?n as many fields, /hints?n
as many interim responses before an answer."""


def fields(path, n):
    if path == "/size":
        return [("X-Large", "x" * n)]
    return [("X-Field-%d" % i, "y") for i in range(n)] if path == "/fields" else []


def wsgi(environ, start_response):
    path, n = environ["PATH_INFO"], int(environ["QUERY_STRING"] or 0)
    if path == "/hints":
        for _ in range(n):
            environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    start_response("200 OK", [("Content-Type", "text/plain"), *fields(path, n)])
    return [b"whole"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    path, n = scope["path"], int(scope["query_string"] or 0)
    if path == "/hints":
        for _ in range(n):
            await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    headers = [(name.encode(), value.encode()) for name, value in fields(path, n)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"whole"})


def native():
    from tornado import httputil, web

    class Heads(web.RequestHandler):
        async def get(self):
            path, n = self.request.path, int(self.request.query or 0)
            if path == "/hints":
                for _ in range(n):
                    await self.request.connection.write_headers(
                        httputil.ResponseStartLine("HTTP/1.1", 103, "Early Hints"), httputil.HTTPHeaders({"Link": "</style.css>; rel=preload"}))
            for name, value in fields(path, n):
                self.set_header(name, value)
            self.write("whole")

    return web.Application([("/.*", Heads)])
