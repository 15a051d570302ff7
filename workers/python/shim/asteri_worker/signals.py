"""The worker's signals. SIGINT from a terminal reaches the whole process group, and the front decides what it means.
SIGTERM asks the front for relief. Handlers, not SIG_IGN: programs that the application starts must not inherit deaf ears."""
import signal
import socket
import sys

from .link import RETIRE, frame
from .threads import Thread


class Signals:
    """Set for a worker, whose `link` is None until it has one."""

    def __init__(self, worker):
        self._worker = worker
        self._asked = False
        self._threads = []
        self.relieving = {signal.SIGTERM}  # which ask for relief
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, self.on_term)
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._threads.append(Thread(self._watch))

    def stop(self, patience):
        """By the main thread."""
        signal.set_wakeup_fd(-1)
        self._write.shutdown(socket.SHUT_WR)
        for thread in self._threads:
            thread.join(patience)

    def on_term(self, *_):
        """As the handler of SIGTERM, on the main thread."""
        if self._worker.link is None:
            sys.exit(0)
        # On a thread of its own: the code that this handler interrupted may hold the link's lock.
        if not self._asked:
            self._threads.append(Thread(self._ask_for_relief))

    def _ask_for_relief(self):
        if not self._asked:
            self._asked = True
            self._worker.link.put(frame(RETIRE, 0))
            self._worker.link.nudge()

    def _watch(self):
        # Python runs a handler when the main thread runs Python code. A signal that comes just before that thread blocks
        # in a system call does not interrupt the call: the handler would wait for the next request.
        while True:
            numbers = self._read.recv(64)
            if not numbers:
                return
            if self._worker.link is not None and not self.relieving.isdisjoint(numbers):
                self._ask_for_relief()


def forget():
    """In a forked child: signals mean what they usually do."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
