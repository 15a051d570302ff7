"""What the worker itself and `wsgi.errors` say, as LOG frames. Python's logging stays the application's."""
import sys

from .errors import message_of, traceback_of
from .link import ABORT, LEFT, LOG, value_frame
from .link import ERROR as ERROR_FRAME

INFO, WARNING, ERROR = 20, 30, 40
_RECORD = 64 << 10  # characters; what is longer is more than one record


class Log:
    """Writes to the front's log, from any thread."""

    def __init__(self, link, level):
        self._link = link
        self._level = level

    def __call__(self, level, message, stream=0, logger="asteri.worker", error=None):
        """error is an exception that the record is about."""
        if level < self._level:
            return
        about = () if error is None else (message_of(error), traceback_of(error))
        if self._link is None:
            print(message, *about[1:], sep="\n", file=sys.stderr)
        else:
            for start in range(0, len(message) or 1, _RECORD):
                self._link.put(value_frame(LOG, 0, [(level, logger, message[start:start + _RECORD], stream, *about)]))
            self._link.nudge()

    def abandon(self):
        """In a forked child: the front knows its standard error only."""
        self._link = None


def report_failure(put, stream, started, message, traceback=""):
    """Tells the front by put(frame) that a call failed: its client sees a reset if the response had begun (started), else an
    error. The front logs it."""
    put(value_frame(ABORT if started else ERROR_FRAME, stream, (message, traceback)))


def report_departure(put, stream):
    """Tells the front that a call has ended early because its client has left: nobody failed."""
    put(value_frame(ABORT, stream, ("", ""), LEFT))



class ErrorStream:
    """`wsgi.errors` of one request: whole lines go to the log, tagged with the request's stream. What is written at once,
    a traceback for example, stays together."""

    _partial = ""  # what came after the last newline

    def __init__(self, response):
        self._response = response

    def write(self, text):
        lines, newline, self._partial = (self._partial + str.__str__(text)).rpartition("\n")
        if len(self._partial) > _RECORD:
            lines, newline, self._partial = lines + newline + self._partial, "\n", ""
        if newline:
            self._response.host.log(ERROR, lines, self._response.stream, "wsgi.errors")
        if self._partial:
            self._response.errors = self  # to be flushed when the call ends
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if self._partial:
            self.write("\n")
