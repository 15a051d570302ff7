"""The socket that stands for a client's connection, for applications that take it over.

A request that offers an upgrade comes with one end of a socketpair. What the application writes there is its answer, from
the status line on; behind a 101 the front passes on bytes in both directions. TLS and HTTP/2 are the front's affair.
Imported after monkey-patching, so that under gevent the socket waits as a greenlet does.
"""
import socket

from . import gevent_websocket


class ClientSocket(socket.socket):
    """A socket that answers questions about its ends as the client's connection would."""

    ends = (None, None)  # the addresses of server and client

    def send(self, data, *args, **kwargs):
        """All of data, as the system does it for a socket that blocks; under gevent, where the system's does not, too.
        Libraries count on that (simple-websocket does), which messages larger than a buffer would otherwise show."""
        rest = memoryview(data).cast("B")
        sent = super().send(rest, *args, **kwargs)
        while sent < len(rest) and self.gettimeout() is None:
            sent += super().send(rest[sent:], *args, **kwargs)
        return sent

    def getsockname(self):
        return self.ends[0] or super().getsockname()

    def getpeername(self):
        return self.ends[1] or super().getpeername()

    def setsockopt(self, level, *args):
        if level != socket.IPPROTO_TCP:  # TCP_NODELAY and its like: the front sees to its connection
            super().setsockopt(level, *args)


def adopt(descriptor, client, server):
    """A ClientSocket of a descriptor, which it owns."""
    taken = ClientSocket(fileno=descriptor)
    taken.ends = server, client
    return taken


class Loan:
    """A call's hold on its socket, from its start to its return."""

    def __init__(self, descriptor, environ, client, server, app):
        self._socket = environ["gunicorn.socket"] = adopt(descriptor, client, server)
        self._websocket = gevent_websocket.offer(environ, self._socket, app)

    def finish(self):
        """The call has returned: so has the connection ended, whoever else still holds the socket."""
        if self._websocket is not None:
            self._websocket.finish()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # closed, by the application or by the front
        self._socket.close()

    @staticmethod
    def excuses(error):
        """Whether an exception is how libraries leave a call whose connection they took: as they do under gunicorn and
        Werkzeug, or because the client has left."""
        return isinstance(error, (StopIteration, ConnectionError))
