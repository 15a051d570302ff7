"""Asks a server over HTTP/3 by aioquic: h3client.py HOST PORT < requests > answers

Each line of the input is a JSON object: method, path, and if need be size (of a body
that is sent), step (its pieces) and headers. All requests are under way at a time, on
one connection. The output has a line for each, in their order: status, headers, size
and digest of the body, trailers, interim (the heads before the response).
"""

import asyncio
import hashlib
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset


class Answer:
    def __init__(self):
        self.heads = []
        self.digest = hashlib.sha256()
        self.size = 0
        self.trailers = []
        self.done = asyncio.get_running_loop().create_future()

    def report(self):
        return {
            "status": int(dict(self.heads[-1])[":status"]),
            "headers": self.heads[-1],
            "interim": self.heads[:-1],
            "size": self.size,
            "digest": self.digest.hexdigest(),
            "trailers": self.trailers,
        }


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers = {}

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for answer in self.answers.values():
                if not answer.done.done():
                    answer.done.set_exception(ConnectionError(f"{event.error_code:#x} {event.reason_phrase}"))
        elif isinstance(event, StreamReset) and event.stream_id in self.answers:
            self.answers[event.stream_id].done.set_exception(ConnectionError(f"reset {event.error_code:#x}"))
        for http_event in self.http.handle_event(event):
            self.http_event_received(http_event)

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
        if getattr(event, "stream_ended", False):
            answer.done.set_result(answer.report())

    async def ask(self, authority, request):
        stream = self._quic.get_next_available_stream_id()
        answer = self.answers[stream] = Answer()
        fields = [(":method", request["method"]), (":scheme", "https"), (":authority", authority), (":path", request["path"])]
        fields += request.get("headers", [])
        left = request.get("size", 0)
        encoded = [(name.encode(), value.encode()) for name, value in fields]
        self.http.send_headers(stream, encoded, end_stream=not left)
        position = 0
        while left:
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


asyncio.run(main(*sys.argv[1:]))
