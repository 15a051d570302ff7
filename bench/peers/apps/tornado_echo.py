"""A Tornado WebSocket echo; run as a program it serves itself."""

import sys

import tornado.web
import tornado.websocket
import tornado_hello


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        return self.write_message(message)


app = tornado.web.Application([("/", Echo)])

if __name__ == "__main__":
    tornado_hello.main(int(sys.argv[1]), int(sys.argv[2]), app)
