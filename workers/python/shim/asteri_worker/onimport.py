"""What is to happen when the application imports a module of Python's library, if it does: workers do not import for it
what it may never need."""
import sys
from importlib.machinery import PathFinder

_awaited = {}  # name -> function


def when_imported(name, function):
    """Calls function once the module has been executed; now, if it has been."""
    if name in sys.modules:
        function()
        return
    if not _awaited:
        sys.meta_path.insert(0, _Finder)
    _awaited[name] = function


def no_longer(name):
    """Takes when_imported(name) back, if there is one that has not happened. Returns its function, or None."""
    function = _awaited.pop(name, None)
    if function is not None and not _awaited:
        sys.meta_path.remove(_Finder)
    return function


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        function = no_longer(name)
        if function is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader, function)
        return spec


class _Loader:
    """A module's own loader in all else."""

    def __init__(self, loader, function):
        self._loader = loader
        self._function = function

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._function()
