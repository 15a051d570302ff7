"""The connection of a native Tornado handler that detaches it, as WebSocketHandler does."""
from tornado import iostream

from .clientsocket import adopt


class ClientStream(iostream.IOStream):
    """An IOStream on the client's connection that tells when it is closed."""

    on_closed = None

    def close_fd(self):
        super().close_fd()
        if self.on_closed is not None:
            self.on_closed()


class Loan:
    """A connection's hold on its client's socket."""

    def __init__(self, control, stream, client, server):
        self._stream = ClientStream(adopt(control.take_descriptor(stream), client, server))
        self.close = self._stream.close

    def write_head(self, start_line, headers):
        """Answers on the socket. The front takes it from there."""
        lines = ["HTTP/1.1 %d %s" % (start_line.code, start_line.reason)]
        lines += ["%s: %s" % field for field in headers.get_all()]
        return self._stream.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def detach(self, on_closed):
        self._stream.on_closed = on_closed
        return self._stream
