"""`wsgi.websocket`, as applications written for gevent-websocket's own worker and server look for it.

The library does the protocol. Its handshake is made when the application first uses the object, and not before the
call, so that one that takes `gunicorn.socket` finds an untouched connection.
"""
import sys
from importlib.util import find_spec

_server = None  # one a worker; False: not to be offered


def offer(environ, socket, app):
    """Puts `wsgi.websocket` into environ if this is the opening handshake of a WebSocket, the process is gevent's and has
    the library. Returns what finish() is to be called on, or None."""
    global _server
    if _server is None:
        _server = _offered() and _Server(app)
    if not _server or environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        return None
    websocket = environ["wsgi.websocket"] = _LazyWebSocket(environ, socket)
    return websocket


def _offered():
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("socket") and find_spec("geventwebsocket") is not None


class _Server:
    """What applications of the library look for on a handler's server."""

    def __init__(self, app):
        from geventwebsocket.logging import create_logger

        self.application = app
        self.clients = {}
        self.logger = create_logger("geventwebsocket")


class _LazyWebSocket:
    """The library's WebSocket, from the first look at one of its attributes on."""

    def __init__(self, environ, socket):
        self._parts = environ, socket
        self._handler = None

    def __getattr__(self, name):  # called for what is not here
        if self._handler is None:
            self._handler = _upgraded(*self._parts)
        return getattr(self._handler.websocket, name)

    def finish(self):
        """Says goodbye if the application did not."""
        handler = self._handler
        if handler is not None:
            handler.server.clients.pop(handler.client_address, None)
            if not handler.websocket.closed:
                handler.websocket.close()
            handler.rfile.close()


def _upgraded(environ, socket):
    """Makes the handshake and returns its handler."""
    from geventwebsocket.exceptions import WebSocketError
    from geventwebsocket.handler import Client, WebSocketHandler

    class Handler(WebSocketHandler):
        """Has what a WebSocket needs of its handler, without the HTTP of gevent's server below it."""

        request_version = "HTTP/1.1"

        def __init__(self):
            self.server, self.application = _server, _server.application
            self.environ, self.socket, self.rfile = environ, socket, socket.makefile("rb")
            self.client_address = environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT")

        def start_response(self, status, headers, exc_info=None):
            lines = ["HTTP/1.1 " + status] + ["%s: %s" % field for field in headers]
            socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    handler = Handler()
    refusal = handler.upgrade_websocket()
    if refusal:
        socket.sendall("".join(refusal).encode())
        raise WebSocketError("".join(refusal))
    _server.clients[handler.client_address] = Client(handler.client_address, handler.websocket)
    return handler
