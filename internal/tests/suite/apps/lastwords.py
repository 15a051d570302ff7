"""Says something at its end."""
import atexit

atexit.register(print, "at exit")


def wsgi(environ, start_response):
    print("during a request")
    start_response("200 OK", [])
    return [b""]


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    print("during a request")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
