"""Lets processes that the application starts with multiprocessing import asteri_metrics, which is in no file. A forked one
has it. One that begins anew, by "forkserver" (the default from Python 3.14 on) or "spawn", unpickles what is to prepare it
before anything of the application: that brings the module along.

Under gevent the fork server is talked to over sockets as Python has them."""
import sys

from .onimport import when_imported

_PROGRAM = """
import sys
from importlib.machinery import ModuleSpec

class Importer:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return ModuleSpec(name, Importer, origin=origin) if name == "asteri_metrics" else None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        exec(compile(source, origin, "exec", dont_inherit=True), module.__dict__)

sys.meta_path.insert(0, Importer)
"""


def provide():
    when_imported("multiprocessing.spawn", _extend_preparation)
    when_imported("multiprocessing.forkserver", _give_blocking_sockets)


class _Metrics:
    """Is the importer above, once it has been unpickled."""

    def __reduce__(self):
        import asteri_metrics

        spec = asteri_metrics.__spec__
        return exec, (_PROGRAM, {"source": spec.loader.get_source(spec.name), "origin": spec.origin})


def _extend_preparation():
    from multiprocessing import spawn

    plain = spawn.get_preparation_data

    def get_preparation_data(name):
        return {**plain(name), "asteri_metrics": _Metrics()}

    spawn.get_preparation_data = get_preparation_data


class _Originals:
    """The module socket without gevent's patches."""

    def __init__(self, monkey):
        self._monkey = monkey

    def __getattr__(self, name):
        return self._monkey.get_original("socket", name)


def _give_blocking_sockets():
    """gevent's sockets never block. From Python 3.14 on the library reads the fork server's proof from the descriptor of
    one, which fails at once. The answer takes no longer than to start a process by another method."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        from multiprocessing import forkserver

        forkserver.socket = _Originals(monkey)
