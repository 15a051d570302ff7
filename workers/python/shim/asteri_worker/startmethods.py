"""Lets processes that the application starts with multiprocessing import asteri_metrics, which is in no file. A forked one
has it. One that begins anew, by "forkserver" (the default from Python 3.14 on) or "spawn", unpickles what is to prepare it
before anything of the application: that brings the module along."""
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
