"""A gunicorn.conf.py: executed once in each process that has a use for it, where gunicorn executes it once in its master and
forks. What it says is told as plain data; what runs in it is called by name."""
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys

_MODULE = "__config__"  # as gunicorn calls it
_DEEP = 20  # levels of a value that is plain data


class ConfFile:
    """Executed. `names` are the module's, `hooks` the functions among them that are hooks."""

    def __init__(self, location, directory, arities):
        """`arities` are the numbers of arguments of hooks by name. Raises what the file raises, and TypeError for a hook
        that cannot be called so."""
        self.path = None
        self.names = _import(location[len("python:"):]) if location.startswith("python:") else self._execute(location, directory)
        self.path = self.path or self.names.get("__file__")
        self.hooks = {}
        for name, arity in arities.items():
            if self.names.get(name) is not None:
                self.hooks[name] = _hook(name, self.names[name], arity)

    def _execute(self, location, directory):
        self.path = os.path.join(directory, location[len("file:"):] if location.startswith("file:") else location)
        # Not by what Python keeps of a source: that is known by the second of its writing, and this may be a reload in the same.
        compiled = self.path.endswith(".pyc")
        loader = (importlib.machinery.SourcelessFileLoader if compiled else _Loader)(_MODULE, self.path)
        module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(_MODULE, self.path, loader=loader))
        sys.modules[_MODULE] = module
        loader.exec_module(module)
        return vars(module)

    def lines(self):
        """Where each name of the module is bound last, as far as its source tells."""
        import ast

        found = {}
        try:
            with open(self.path, "rb") as file:
                _bound(ast.parse(file.read()).body, found)
        except (OSError, SyntaxError, TypeError, ValueError):
            pass
        return found


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)


def _import(name):
    return vars(importlib.import_module(name))


def _bound(body, found):
    """Collects the names that statements bind, those within `if`, `try` and `with` too."""
    import ast

    for one in body:
        targets = getattr(one, "targets", None) or [getattr(one, "target", None), getattr(one, "name", None)]
        if isinstance(one, (ast.Import, ast.ImportFrom)):
            targets = [alias.asname or alias.name for alias in one.names]
        for target in targets:
            for name in ast.walk(target) if isinstance(target, ast.AST) else [target]:
                name = getattr(name, "id", name)
                if isinstance(name, str):
                    found[name] = one.lineno
        if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for part in ("body", "orelse", "finalbody"):
                _bound(getattr(one, part, ()), found)
            for handler in getattr(one, "handlers", ()):
                _bound(handler.body, found)


def _hook(name, hook, arity):
    if isinstance(hook, str):  # module.function
        module, _, attribute = hook.rpartition(".")
        hook = getattr(importlib.import_module(module), attribute)
    if not callable(hook):
        raise TypeError("%s: must be a function, not %s" % (name, type(hook).__name__))
    try:
        signature = inspect.signature(hook)
    except (TypeError, ValueError):
        return hook  # one of C, which does not say
    if name == "post_request":
        return _post_request(signature, hook)
    if not _takes(signature, arity):
        raise TypeError("%s: must take %d arguments: gunicorn's documentation names them" % (name, arity))
    return hook


def _post_request(signature, hook):
    """Older forms of this hook take fewer arguments."""
    for arity in (4, 3, 2):
        if _takes(signature, arity):
            return hook if arity == 4 else lambda *args: hook(*args[:arity])
    raise TypeError("post_request: must take 4 arguments: worker, req, environ, resp")


def _takes(signature, arity):
    try:
        signature.bind(*range(arity))
        return True
    except TypeError:
        return False


def plain(value, depth=0):
    """value as JSON can hold it. Raises TypeError for what is no plain data."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        return int(value)  # of an enumeration, too
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, os.PathLike):
        return plain(os.fspath(value))
    if depth < _DEEP and isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one, depth + 1) for one in value]
    if depth < _DEEP and isinstance(value, dict):
        return {str(name): plain(one, depth + 1) for name, one in value.items()}
    raise TypeError(type(value).__name__)


def worker_class(value):
    """A class by its name and those of the classes that it is made from; gunicorn takes a function that returns one, too."""
    if inspect.isfunction(value) or inspect.ismethod(value):
        value = value()
    if inspect.isclass(value):
        return ["%s.%s" % (one.__module__, one.__qualname__) for one in value.__mro__ if one is not object]
    return plain(value)
