"""A Socket.IO client: socketio_client.py URL TRANSPORT..."""
import sys
import threading

import requests
import socketio

url, transports = sys.argv[1], sys.argv[2:]


class Client:
    def __init__(self):
        self.came = threading.Condition()
        self.messages = []
        session = requests.Session()
        session.verify = session.trust_env = False  # the server's certificate is its own
        self.io = socketio.Client(http_session=session, ssl_verify=False)
        for event in ("answer", "entered"):
            self.io.on(event, lambda data, event=event: self.note(event, data))
        self.io.connect(url, transports=transports)

    def note(self, event, data):
        with self.came:
            self.messages.append((event, data))
            self.came.notify_all()

    def expect(self, *message):
        with self.came:
            assert self.came.wait_for(lambda: message in self.messages, 20), "%.80r did not come" % (message,)


one, two = Client(), Client()
for data in ("hello", {"text": "ü" * 30000}, b"\x00\xff" * 30000):
    one.io.emit("message", data)
    one.expect("answer", data)
one.io.emit("enter", "room")
one.expect("entered", "room")
two.io.emit("enter", "room")
two.expect("entered", "room")
print("served over", one.io.transport())
one.io.disconnect()
two.io.disconnect()
