"""ASGI's websocket scope. The front speaks WebSocket with the client; here there are only messages.

Until the application accepts, a Socket is a request like any other: what it answers in place of accepting is an HTTP
response. Afterwards all that goes either way are items of MESSAGES frames (PROTOCOL.md).
"""
import asyncio
from asyncio import current_task
from marshal import loads

from .asgi import Cycle, http_scope, is_departure
from .errors import ClientDisconnected, message_of, traceback_of
from .interrupts import entry
from .link import ABORT, ACCEPT, WORKER_MESSAGES, flat_iterable, plain_headers, value_frame, window_frame
from .logs import ERROR as LOG_ERROR
from .logs import WARNING

_COST = 16  # what each message counts against the window beside its bytes
_PIECE = 64 << 10  # longer messages are sent in pieces
_MOST_CODE = 4999  # of a Close
_REASON = 123  # characters of its reason, of which a frame holds so many bytes
_BATCH = 1 << 20  # the size at which a frame of messages is put together early
EXTENSIONS = {"websocket.http.response": {}}
_NAMES = {name: name for name in (
    b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"cookie", b"host", b"origin", b"pragma",
    b"sec-websocket-extensions", b"sec-websocket-key", b"sec-websocket-protocol", b"sec-websocket-version", b"upgrade", b"user-agent",
)}
_DENIALS = {"websocket.http.response.start": "http.response.start", "websocket.http.response.body": "http.response.body"}


def websocket_scope(request, root, state, extensions):
    scope = http_scope(request, root, state, extensions)
    scope["type"] = "websocket"
    del scope["method"]
    # Sockets stay: the names that all of them have are kept once.
    scope["headers"] = [(_NAMES.get(name, name), value) for name, value in scope["headers"]]
    scope["subprotocols"] = [
        item.strip() for name, value in scope["headers"] if name == b"sec-websocket-protocol"
        for item in value.decode("latin-1").split(",") if item.strip()
    ]
    return scope


class Messages:
    """The items that wait to be sent in one frame, of all sockets of a server."""

    def __init__(self, link):
        self._link = link
        self._items = []
        self._size = 0

    def add(self, stream, item, size):
        items = self._items
        items.append(stream)
        items.append(item)
        self._size += size
        if self._size > _BATCH:
            self.seal()

    def seal(self):
        """Puts what waits on the link, in front of what is queued there next."""
        if self._items:
            items, self._items, self._size = self._items, [], 0
            self._link.put(value_frame(WORKER_MESSAGES, 0, items))


def deliver(cycles, payload):
    """Gives the items of a MESSAGES frame to their sockets."""
    items = iter(loads(payload))
    for stream, item in zip(items, items):
        socket = cycles.get(stream)
        if socket is not None:
            socket.on_item(item)


class Socket(Cycle):
    """One WebSocket."""

    connected = False  # the application has had websocket.connect
    final = None  # (code, reason) once the WebSocket has ended
    pieces = ()  # of a message whose end has not come

    def __init__(self, server, request):
        super().__init__(server, request)
        self.accepted = False
        self.closed = False  # by the application
        self.cutting = False  # a message is being sent in pieces
        self.sent = self.granted = self.unacknowledged = 0
        self.inbox = []  # messages, text as str

    @entry
    async def run(self, app, request, root):
        """The application's task."""
        if self.task is None:  # it takes its first step, and who makes it has not got it yet
            self.task = current_task(self.server.loop)
        try:
            self.server.take(request)
        except ValueError:  # its client has left, or another worker is to run it
            self.server.forget(self)
            return
        scope = websocket_scope(request, root, self.server.state, self.server.socket_extensions)
        del request  # it would be kept for as long as the socket is open
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self._failed(error)
        else:
            if self.accepted:
                self._close(1000, "")
            elif not self.complete and not self.gone:
                self._end_badly("the application returned without accepting or refusing the WebSocket")
        if self.gone and not (self.accepted or self.started or self.complete or self.unheard):
            self._give_up()
        self._leave()
        self.server.messages.seal()
        self.server.ended(self)

    # receive

    async def receive(self):
        if not self.connected:
            self.connected = True
            return {"type": "websocket.connect"}
        while not self.inbox:
            if self.final is not None or self.complete or self.ended:
                self.gone = self.told = True
                code, reason = self.final or (1006, "")
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await self._wait()
        item = self.inbox.pop(0)
        if item.__class__ is str:
            self._taken(len(item) if item.isascii() else len(item.encode()))
            return {"type": "websocket.receive", "text": item}
        self._taken(len(item))
        return {"type": "websocket.receive", "bytes": item}

    def _taken(self, size):
        self.unacknowledged += size + _COST
        if self.unacknowledged * 2 >= self.server.body_window and not self.ended:
            self.server.queue(window_frame(self.stream, self.unacknowledged))
            self.unacknowledged = 0

    def on_item(self, item):
        if item.__class__ is not tuple:
            if self.pieces:
                item, self.pieces = item.__class__().join((*self.pieces, item)), ()
            self.inbox.append(item)
        elif len(item) == 1:
            self.pieces = (*self.pieces, item[0])
            return
        else:
            *self.final, answerable = item
            self.gone = not answerable
        if self.waiting:
            self._wake()

    def on_cancel(self, hard):
        """The client left before the application had decided."""
        if not self.accepted:
            self.final = (1006, "")
            super().on_cancel(True)

    # send

    async def send(self, message):
        kind = message["type"]
        if self.ended:
            raise ClientDisconnected  # from a task that the application has left behind
        if kind == "websocket.send" and self.accepted and not self.closed:
            if self.gone:
                self.told = True
                raise ClientDisconnected
            data = message.get("text")
            if data is None:
                data = message["bytes"]
                if data.__class__ is not bytes:
                    data = bytes(memoryview(data))  # refuses a str
                size = len(data)
            else:
                if data.__class__ is not str:
                    data = _plain_str(data)
                size = len(data) if data.isascii() else len(data.encode())  # refuses surrogates
            if size > _PIECE or self.cutting or self.sent >= self.granted:
                await self._send_slowly(data, size)
            else:
                size += _COST
                self.sent += size
                self.server.messages.add(self.stream, data, size)
                self.server.flush_soon()
        elif kind == "websocket.accept" and not self.accepted and self.status is None:
            self._accept(message)
        elif kind == "websocket.close" and not self.closed and self.status is None:
            if self.accepted:
                code, reason = int(message.get("code", 1000)), _plain_str(message.get("reason") or "")
                if not 0 <= code <= _MOST_CODE:
                    raise ValueError("%d is no code of a Close" % code)
                self._close(code, reason[:_REASON])
            else:
                self._refuse()
        elif kind in _DENIALS and not self.accepted:
            await super().send({**message, "type": _DENIALS[kind]})
        else:
            raise RuntimeError("%r is not expected now: %s" % (kind, self._position()))

    def _position(self):
        if self.closed:
            return "the application has closed the WebSocket"
        return "the WebSocket is accepted" if self.accepted else super()._position()

    async def _send_slowly(self, data, size):
        """Sends a message that is long, or for which there is no room yet. Others of this socket wait behind it."""
        await self._until(lambda: not self.cutting)
        self.cutting = True
        try:
            for piece, last in _cut(data, size):
                await self._until(lambda: self.sent < self.granted)
                count = len(piece) if piece.__class__ is bytes else len(piece.encode())
                if last:
                    count += _COST
                self.sent += count
                self.server.messages.add(self.stream, piece if last else (piece,), count)
                self.server.flush_soon()
        finally:
            self.cutting = False
            self._wake()

    async def _until(self, condition):
        while not condition():
            await self._wait()
            if self.final is not None or self.closed or self.ended:
                self.told = self.final is not None
                raise ClientDisconnected

    def _accept(self, message):
        if self.gone:
            self.told = True
            raise ClientDisconnected
        subprotocol, headers = message.get("subprotocol"), flat_iterable(message.get("headers") or ())
        if subprotocol is not None:
            subprotocol = _plain_str(subprotocol)
        try:
            data = value_frame(ACCEPT, self.stream, (subprotocol, headers))
        except ValueError:
            data = value_frame(ACCEPT, self.stream, (subprotocol, plain_headers(headers)))
        self.server.queue(data)
        self.accepted = True
        self.granted = self.server.response_window

    def _close(self, code, reason):
        if not (self.closed or self.gone):
            self.closed = True
            self.server.messages.add(self.stream, (code, reason), _COST)
            self.server.flush_soon()
            self._wake()

    def _refuse(self):
        """403, as everybody answers what an application closes before it has accepted it."""
        self.status = 403
        self.answer = (self.stream, 403, (), b"")
        self.complete = True
        self.server.answered(self)
        self._wake()

    # endings

    def _failed(self, error):
        if not self.accepted:
            super()._failed(error)
            return
        self.server.returned(error)
        if not (self.closed or self.gone):
            self.closed = True
            self.server.messages.seal()
            self.server.queue(value_frame(ABORT, self.stream, (message_of(error), traceback_of(error))))
        elif not self.told:
            if not (self.gone and is_departure(error)):
                self.server.log(LOG_ERROR, "the application failed", self.stream, error=error)
        elif not is_departure(error):
            self.server.log(WARNING, "the application failed after its client had left", self.stream, error=error)


def _plain_str(text):
    """An exact str, which marshal can encode. Raises TypeError for what is none."""
    return str.__str__(text)


def _cut(data, size):
    """Pieces of at most _PIECE bytes, and whether each is the last one."""
    step = _PIECE if len(data) == size else _PIECE // 4
    for start in range(0, max(len(data), 1), step):
        yield data[start:start + step], start + step >= len(data)
