"""Tornado's own WebSockets."""
import asyncio
import os

import tornado.web
import tornado.websocket

ended = []


class Echo(tornado.websocket.WebSocketHandler):
    def select_subprotocol(self, offered):
        return offered[-1] if offered else None

    def get_compression_options(self):
        return {} if self.get_argument("deflate", "") else None

    def on_message(self, message):
        if message == "close":
            self.close(4001, "enough")
        elif message == "raise":
            raise RuntimeError("the secret of the failing socket")
        else:
            self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self):
        ended.append("%s %s" % (self.close_code, self.close_reason))
        print("a socket was closed", self.close_code, flush=True)


class Where(tornado.websocket.WebSocketHandler):
    def open(self):
        self.write_message("%s %s %s" % (self.request.full_url(), self.request.remote_ip, self.request.version))
        self.close()


class Ended(tornado.web.RequestHandler):
    def get(self):
        self.write("\n".join(ended))


class Slow(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(60)


class Page(tornado.web.RequestHandler):
    def get(self):
        self.write("plain")


def make_app():
    return tornado.web.Application(
        [("/", Page), ("/echo", Echo), ("/where", Where), ("/ended", Ended), ("/slow", Slow)],
        websocket_ping_interval=float(os.environ.get("PING_INTERVAL", "0")), websocket_max_message_size=2 << 20,
    )
