"""Asks a server over HTTP/3 by aioquic: h3client.py HOST PORT < requests > answers

Each line of the input is a JSON object: method, path, and if need be size (of a body
that is sent), step (its pieces), headers, and then (paths of which one is asked for
each time that content has come). With messages it is a WebSocket (RFC 9220) that sends
them as text, each when the one before has come back, and closes. All requests are under
way at a time, on one connection. The output has a line for each, in their order:
status, headers, size and digest of the body, trailers, interim (the heads before the
response), messages and code of a WebSocket.
"""

import asyncio
import hashlib
import json
import os
import ssl
import struct
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StopSendingReceived, StreamReset


class Answer:
    def __init__(self, then=()):
        self.then = list(then)
        self.messages = []
        self.code = 0
        self.heads = []
        self.digest = hashlib.sha256()
        self.size = 0
        self.trailers = []
        self.stopped = False  # the server wants no more of the body: aioquic has reset the stream
        self.done = asyncio.get_running_loop().create_future()

    def report(self):
        return {
            "status": int(dict(self.heads[-1])[":status"]),
            "headers": self.heads[-1],
            "interim": self.heads[:-1],
            "size": self.size,
            "digest": self.digest.hexdigest(),
            "trailers": self.trailers,
            "messages": self.messages,
            "code": self.code,
        }


TEXT, CLOSE = 0x81, 0x88


class Socket(Answer):
    """A WebSocket whose peer sends back what it gets, unfragmented."""

    def __init__(self, messages):
        super().__init__()
        self.left = list(messages)
        self.received = b""

    def next(self):
        """The frame to send next, masked as a client's are (RFC 6455 section 5)."""
        if self.left:
            first, payload = TEXT, self.left.pop(0).encode()
        else:
            first, payload = CLOSE, struct.pack("!H", 1000)
        size = len(payload)
        head = bytes([first, 0x80 | size]) if size < 126 else struct.pack("!BBH", first, 0x80 | 126, size)
        mask = os.urandom(4)
        return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    def frames(self):
        """Takes the frames that are complete off what has come."""
        while len(self.received) >= 2:
            first, size = self.received[0], self.received[1]
            at = 2
            if size == 126:
                at = 4
                if len(self.received) < at:
                    return
                size = struct.unpack("!H", self.received[2:4])[0]
            if len(self.received) < at + size:
                return
            payload, self.received = self.received[at : at + size], self.received[at + size :]
            yield first, payload


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers = {}
        self.settings = asyncio.get_running_loop().create_future()
        self.asked = []  # what was asked for because content had come

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for answer in self.answers.values():
                if not answer.done.done():
                    answer.done.set_exception(ConnectionError(f"{event.error_code:#x} {event.reason_phrase}"))
        elif isinstance(event, StopSendingReceived) and event.stream_id in self.answers:
            self.answers[event.stream_id].stopped = True
        elif isinstance(event, StreamReset) and event.stream_id in self.answers:
            answer = self.answers[event.stream_id]
            if not answer.done.done():
                answer.done.set_exception(ConnectionError(f"reset {event.error_code:#x}"))
        for http_event in self.http.handle_event(event):
            self.http_event_received(http_event)
        if self.http.received_settings is not None and not self.settings.done():
            self.settings.set_result(self.http.received_settings)

    def http_event_received(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if answer is None or answer.done.done():
            return
        if isinstance(event, HeadersReceived):
            fields = [(name.decode(), value.decode()) for name, value in event.headers]
            if fields and fields[0][0] == ":status":
                answer.heads.append(fields)
            else:
                answer.trailers = fields
        elif isinstance(event, DataReceived):
            answer.digest.update(event.data)
            answer.size += len(event.data)
            if isinstance(answer, Socket):
                self.talk(event.stream_id, answer, event.data)
            elif answer.then:
                request = {"method": "GET", "path": answer.then.pop(0)}
                self.asked.append(asyncio.ensure_future(self.ask(answer.authority, request)))
        if getattr(event, "stream_ended", False):
            answer.done.set_result(answer.report())

    def talk(self, stream, socket, data):
        """Goes on with a WebSocket as what came allows."""
        socket.received += data
        for opcode, payload in socket.frames():
            if opcode == CLOSE:
                socket.code = struct.unpack("!H", payload[:2])[0]
            else:
                socket.messages.append(payload.decode())
            if opcode != CLOSE and not socket.stopped:
                self.http.send_data(stream, socket.next(), end_stream=False)
        self.transmit()

    async def ask(self, authority, request):
        if "messages" in request:
            answer = Socket(request["messages"])
            assert (await self.settings).get(Setting.ENABLE_CONNECT_PROTOCOL) == 1
        else:
            answer = Answer(request.get("then", ()))
        answer.authority = authority
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = answer
        fields = [(":method", request["method"]), (":scheme", "https"), (":authority", authority), (":path", request["path"])]
        fields += request.get("headers", [])
        left = request.get("size", 0)
        encoded = [(name.encode(), value.encode()) for name, value in fields]
        self.http.send_headers(stream, encoded, end_stream=not left and not isinstance(answer, Socket))
        if isinstance(answer, Socket):
            self.http.send_data(stream, answer.next(), end_stream=False)
        position = 0
        while left and not answer.stopped:
            piece = min(left, request.get("step", 65536))
            left -= piece
            self.http.send_data(stream, content(position, piece), end_stream=not left)
            position += piece
            self.transmit()
            await asyncio.sleep(0)
        self.transmit()
        return await answer.done


def content(position, size):
    """The bytes of a body from a position on."""
    return bytes((position + i) % 251 for i in range(size))


async def main(host, port):
    requests = [json.loads(line) for line in sys.stdin]
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, is_client=True)
    async with connect(host, int(port), configuration=configuration, create_protocol=Client) as client:
        for answer in await asyncio.gather(*(client.ask(f"{host}:{port}", r) for r in requests)):
            print(json.dumps(answer))
        await asyncio.gather(*client.asked)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
