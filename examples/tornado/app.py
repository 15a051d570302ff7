"""A dashboard in Tornado: pages, coroutines, a long poll, and blocking code.

    asteri-loop -w gtornado -l :8443 --chdir examples/tornado "app:make_app()"

Under gtornado the handler Report, which blocks, stops nobody else: it runs in
a greenlet. Under -w tornado everyone would wait for it.
"""

import asyncio
import time
from collections import deque

import tornado.web

PAGE = """<!doctype html>
<title>Messages</title>
<h1>Messages</h1>
<form id="form"><input name="text" size="50" autofocus autocomplete="off"> <button>Send</button></form>
<ul id="messages"></ul>
<p><a href="/report">A report that takes its time</a></p>
<script>
let last = 0;
async function poll() {
  const answer = await fetch("/messages?after=" + last);
  for (const message of await answer.json()) {
    const item = document.createElement("li");
    item.textContent = message.text;
    document.getElementById("messages").prepend(item);
    last = message.id;
  }
  poll();
}
document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  fetch("/messages", {method: "POST", body: new FormData(event.target)});
  event.target.reset();
};
poll();
</script>
"""


class Board:
    """The newest messages of this process, and a way to wait for the next."""

    def __init__(self):
        self.messages = deque(maxlen=100)
        self.last = 0
        self.changed = asyncio.Condition()

    async def add(self, text):
        async with self.changed:
            self.last += 1
            self.messages.append({"id": self.last, "text": text})
            self.changed.notify_all()

    async def after(self, number, patience=25):
        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(lambda: self.last > number), patience)
            except asyncio.TimeoutError:
                pass
            return [message for message in self.messages if message["id"] > number]


class Index(tornado.web.RequestHandler):
    def get(self):
        self.write(PAGE)


class Messages(tornado.web.RequestHandler):
    def initialize(self, board):
        self.board = board

    async def get(self):
        """A long poll: answered when there is news, or with none after a while."""
        news = await self.board.after(int(self.get_argument("after", "0")))
        self.set_header("Content-Type", "application/json")
        self.write(tornado.escape.json_encode(news))

    async def post(self):
        await self.board.add(self.get_body_argument("text"))
        self.set_status(204)


class Report(tornado.web.RequestHandler):
    def get(self):
        """Code that blocks, as a database driver without asyncio would."""
        began = time.monotonic()
        time.sleep(2)
        self.write(f"The report took {time.monotonic() - began:.1f} seconds, and nobody waited for it.\n")


def make_app():
    board = Board()
    return tornado.web.Application([
        ("/", Index),
        ("/messages", Messages, {"board": board}),
        ("/report", Report),
    ])
