"""A Socket.IO client: socketio_client.py URL TRANSPORT...

It is the one on asyncio. The other reads and writes a TLS socket in two threads at the
same time, which Python's ssl module takes for the connection's end now and then
("EOF occurred in violation of protocol", though it stands), with any server.
"""
import asyncio
import sys

import aiohttp
import socketio

url, transports = sys.argv[1], sys.argv[2:]


class Client:
    async def connect(self):
        self.came = asyncio.Event()
        self.messages = []
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))  # its certificate is its own
        self.io = socketio.AsyncClient(http_session=self.session, ssl_verify=False, reconnection=False)
        for event in ("answer", "entered"):
            self.io.on(event, lambda data, event=event: self.note(event, data))
        await self.io.connect(url, transports=transports)
        return self

    def note(self, event, data):
        self.messages.append((event, data))
        self.came.set()

    async def expect(self, *message):
        async def wait():
            while message not in self.messages:
                self.came.clear()
                await self.came.wait()

        try:
            await asyncio.wait_for(wait(), 20)
        except asyncio.TimeoutError:
            raise AssertionError("%.80r did not come" % (message,)) from None

    async def leave(self):
        await self.io.disconnect()
        await self.session.close()


async def main():
    one, two = await Client().connect(), await Client().connect()
    for data in ("hello", {"text": "ü" * 30000}, b"\x00\xff" * 30000):
        await one.io.emit("message", data)
        await one.expect("answer", data)
    await one.io.emit("enter", "room")
    await one.expect("entered", "room")
    await two.io.emit("enter", "room")
    await two.expect("entered", "room")
    print("served over", one.io.transport())
    await one.leave()
    await two.leave()


asyncio.run(main())
