"""Which files of the application's own it has imported, for a server that watches them (PROTOCOL.md, "Reports")."""
import os
import sys
from importlib.machinery import SourceFileLoader
from marshal import dumps
from time import time
from types import ModuleType

from .link import frame

SOURCES = 140

_MOST, _PATH, _BATCH = 10_000, 1000, 1000  # files of a worker, characters of a path, files in a frame
_FAILED = 500_000  # characters of those that a failure names: FAILED has a bound
_namespace = ModuleType.__dict__["__dict__"].__get__  # not what a class of the application's has in its place, which may run anything
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)


_FRESH = 2.0  # seconds


def distrust_fresh_code():
    """Python knows compiled code by the size of its source, and the second in which that was written. Of a file that was
    written just now none is kept: it may be written again within this second."""
    cache = getattr(SourceFileLoader, "_cache_bytecode", None)
    if cache is None:
        return

    def cache_of_old(self, source_path, *rest):
        try:
            fresh = abs(time() - os.stat(source_path).st_mtime) < _FRESH
        except OSError:
            fresh = True
        return None if fresh else cache(self, source_path, *rest)

    SourceFileLoader._cache_bytecode = cache_of_old


class Sources:
    """What was told of them."""

    def __init__(self):
        self._told = set()
        self._modules = 0  # how many there were at the last look

    def collect(self):
        """SOURCES frames for what is new."""
        if len(sys.modules) == self._modules or len(self._told) >= _MOST:
            return []
        self._modules = len(sys.modules)
        new = [file for file in imported() if file not in self._told][:_MOST - len(self._told)]
        self._told.update(new)
        return [frame(SOURCES, 0, dumps(new[at:at + _BATCH], 4)) for at in range(0, len(new), _BATCH)]


def imported():
    """The files of the modules that are neither Python's nor installed beside it."""
    found = []
    for module in list(sys.modules.values()):
        try:
            file = _namespace(module).get("__file__")
        except TypeError:  # whatever an application puts there: no module
            continue
        _add(found, file)
    return found


def of_failure(error):
    """Those, and the files that error is about: a module that cannot be imported is not there."""
    found, seen = [], 0
    while error is not None and seen < 100:
        seen += 1
        if isinstance(error, SyntaxError):
            _add(found, error.filename)
        part = error.__traceback__
        while part is not None:
            _add(found, part.tb_frame.f_code.co_filename)
            part = part.tb_next
        error = error.__cause__ or error.__context__
    found += imported()  # behind those that matter most
    return _few(dict.fromkeys(found))


def _few(files):
    kept, room = [], _FAILED
    for file in files:
        room -= len(file) + 5
        if room < 0 or len(kept) == _MOST:
            break
        kept.append(file)
    return kept


def _add(found, file):
    if type(file) is not str or not file or file[0] == "<" or len(file) > _PATH:
        return
    file = os.path.abspath(file)
    if not file.startswith(_LIBRARY) and not any(part in file for part in _INSTALLED) and file.isprintable():
        found.append(file)
