"""Standard output and error, whose lines say which request they were written for, and what Python's logging knows of them
(PROTOCOL.md, "Output"). They stay pipes, written at once: what a worker says at its end is not lost.
"""
import io
import os
import sys
from _thread import RLock  # the native one, also under gevent: nothing waits while it is held
from contextvars import ContextVar

_MARK, _FIELD, _LINE = "\x1e", "\x1f", "\x1d"
_PARTIAL = 100  # how many lines without an end are kept
_LONG = 8 << 10

_request = ContextVar("asteri_request", default=())
about = _request.set  # takes the headers of the request that is handled from now on, as REQUESTS has them

_id_keys = _trace_keys = ()


def install(hello):
    """Replaces sys.stdout and sys.stderr, unless they are to stay as they are."""
    global _id_keys, _trace_keys
    if hello["keep_output"]:
        return
    _id_keys, _trace_keys = _keys(hello["request_id"]), _keys("traceparent")
    sys.stdout, sys.stderr = Output(sys.stdout), Output(sys.stderr)
    os.register_at_fork(after_in_child=_renew_locks)


def _keys(field):
    """What a field is called in WSGI's headers and in ASGI's."""
    return ("HTTP_" + field.upper().replace("-", "_"), field.lower().encode("latin-1")) if field else ()


def _renew_locks():
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Output):
            stream.lock = RLock()


class Output(io.TextIOWrapper):
    """A standard stream that marks its lines."""

    def __init__(self, stream):
        super().__init__(stream.buffer, encoding=stream.encoding, errors=stream.errors, line_buffering=True)
        self.lock = RLock()
        self.partial = {}  # mark -> a line without an end

    def write(self, text):
        if type(text) is not str:
            return super().write(text)
        line = text.replace(_MARK, "\\x1e") if _MARK in text else text
        mark = _mark()
        if mark:
            self._write_marked(mark, line)
        else:
            super().write(line)
        return len(text)

    def _write_marked(self, mark, text):
        with self.lock:
            *lines, rest = (self.partial.pop(mark, "") + text).split("\n")
            if len(rest) > _LONG:
                lines.append(rest)
            elif rest:
                if len(self.partial) >= _PARTIAL:
                    self._end(next(iter(self.partial)))
                self.partial[mark] = rest
            if lines:
                super().write("".join([mark + line + "\n" for line in lines]))

    def _end(self, mark):
        super().write(mark + self.partial.pop(mark) + "\n")

    def flush(self):
        if self.partial:
            with self.lock:
                mark = _mark()
                for one in [mark] if mark else list(self.partial):
                    if one in self.partial:
                        self._end(one)
        super().flush()

    def log(self, level, logger, text):
        """Writes a record of Python's logging, as one line."""
        super().write(_mark(level, logger) + text.replace("\n", _LINE) + "\n")


def _mark(level="", logger=""):
    """What goes before a line; nothing if there is nothing to say."""
    found = trace = ""
    headers = _request.get()
    for key, value in headers.items() if isinstance(headers, dict) else headers:
        if key in _id_keys:
            found = _text(value)
        elif key in _trace_keys:
            trace = _text(value)[3:35]
    if not (found or trace or level):
        return ""
    logger = logger.replace("\n", " ").replace(_FIELD, " ")[:200]
    return _MARK + _FIELD.join((str(level), found, trace, logger, ""))


def _text(value):
    return value if isinstance(value, str) else value.decode("latin-1")


def mark_logging():
    """Has handlers of Python's logging that write to one of the streams say level and logger. What the application has
    configured stays as it is: handlers, formats, levels, and where else they write to."""
    import logging

    emit = logging.StreamHandler.emit

    def emit_marked(self, record):
        stream = self.stream
        if type(stream) is not Output:
            emit(self, record)
            return
        try:
            stream.log(record.levelno, record.name, self.format(record))
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    logging.StreamHandler.emit = emit_marked
