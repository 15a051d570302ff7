"""What the worker itself and `wsgi.errors` say, as LOG frames. Python's logging stays the application's."""
from .link import LOG, value_frame

INFO, WARNING, ERROR = 20, 30, 40


class Log:
    """Writes to the front's log, from any thread."""

    def __init__(self, link, level):
        self._link = link
        self._level = level

    def __call__(self, level, message, stream=0, logger="asteri.worker"):
        if level >= self._level:
            self._link.put(value_frame(LOG, 0, [(level, logger, message, stream)]))
            self._link.nudge()


class ErrorStream:
    """`wsgi.errors` of one request: whole lines go to the log, tagged with the request's stream. What is written at once,
    a traceback for example, stays together."""

    _partial = ""  # what came after the last newline

    def __init__(self, log, response):
        self._log = log
        self._response = response

    def write(self, text):
        lines, newline, self._partial = (self._partial + text).rpartition("\n")
        if newline:
            self._log(ERROR, lines, self._response.stream, "wsgi.errors")
        if self._partial:
            self._response.errors = self  # to be flushed when the call ends
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if self._partial:
            self.write("\n")
