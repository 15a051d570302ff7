"""A native Tornado application; run as a program it serves itself."""

import sys

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.process
import tornado.web


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/plain")
        self.write("Hello, World!")

    def compute_etag(self):
        return None  # no hash of the body: the other peers make none


app = tornado.web.Application([("/", Hello)])


def main(port, workers, application):
    sockets = tornado.netutil.bind_sockets(port, "127.0.0.1")
    tornado.process.fork_processes(workers)
    tornado.httpserver.HTTPServer(application).add_sockets(sockets)
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), app)
