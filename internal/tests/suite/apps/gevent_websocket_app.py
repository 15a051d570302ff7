"""gevent-websocket style: the library's WebSocket in the environ."""
from geventwebsocket import WebSocketError


def app(environ, start_response):
    ws = environ.get("wsgi.websocket")
    if ws is None:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"plain"]
    try:
        while True:
            message = ws.receive()
            if message is None:
                break
            ws.send(message)
            if message == "return":
                break
    except WebSocketError:
        print("the client has left", flush=True)
    return []
