"""Finds the application that APP names, and which interface it speaks."""
import ast
import functools
import importlib
import importlib.util
import inspect
import os
import sys

from .errors import Failure, application_part, kind_of, message_of, traceback_of

try:  # Python 3.14: a signature evaluates annotations, whose names may be there for type checkers only
    from annotationlib import Format

    _UNEVALUATED = {"annotation_format": Format.STRING}
except ImportError:
    _UNEVALUATED = {}

WSGI, ASGI, TORNADO = "wsgi", "asgi", "tornado"
_DEFAULT_NAMES = ("application", "app")
_FACTORY_NAMES = ("create_app", "make_app", "get_app", "create_application", "make_application")


def load(spec):
    """Imports and returns the application object. Raises Failure (phase "import")."""
    target, _, expression = _split(spec)
    module = _import(target)
    return _evaluate(module, expression, target + ":") if expression else _default(module, target + ":")


def _split(spec):
    """APP as (module or path, ":", expression). A colon inside a path is part of it only before ".py"."""
    if ".py:" in spec:
        path, _, expression = spec.partition(".py:")
        return path + ".py", ":", expression
    if spec.endswith(".py"):
        return spec, "", ""
    return spec.partition(":")


def _import(target):
    name = _module_of_path(target) if target.endswith(".py") and _is_path(target) else target
    if not name or name.startswith("."):
        raise Failure("import", "%r does not name a module" % target, "give APP as module:attribute, for example myapp:app")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _no_module(target, error) from None
        raise _failure("importing %r failed: %s" % (name, message_of(error)), error, _remedy(error.name)) from None
    except BaseException as error:  # also SystemExit: a module that exits at import is a failed import
        raise _failure("importing %r failed: %s" % (name, message_of(error)), error) from None


def _remedy(missing):
    """What to do about a module that the application's code has asked for: only a name of nobody's here can be installed."""
    if not isinstance(missing, str) or not missing:
        return ""  # raised by hand
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    by_django = (settings + ".").startswith(missing + ".")
    near = _nearest(missing, _modules_beside(missing))
    if by_django:
        return "the environment variable DJANGO_SETTINGS_MODULE is %r, which is not on the import path%s" % (
            settings, "; did you mean %s?" % near if near else "")
    if "." in missing:
        return "did you mean %s?" % near if near else "there is no such module in %s" % missing.rpartition(".")[0]
    return "install what provides %r in this Python (%s)" % (missing, sys.executable)


def _no_module(target, error):
    if target.endswith(".py"):
        message, hint = "there is no file %s" % os.path.abspath(target), ""
    else:
        message = "there is no module named %r on the import path" % error.name
        near = _attribute_of_module(error.name) or _nearest(error.name, _modules_beside(error.name))
        hint = "did you mean %s?" % near if near else "start in the folder that holds it, or use --chdir or --pythonpath"
    # Without a frame of the application a traceback says no more than the message.
    return Failure("import", message, hint, kind_of(error), traceback_of(error) if application_part(error) else "")


def _attribute_of_module(name):
    """module:attribute for a name with a dot where the colon belongs."""
    module, _, attribute = name.rpartition(".")
    return "%s:%s" % (module, attribute) if hasattr(sys.modules.get(module), attribute) else None


def _modules_beside(name):
    """The modules among which name was looked for: those of its package, or of the application's folder."""
    import pkgutil

    package = name.rpartition(".")[0]
    path = getattr(sys.modules.get(package), "__path__", ()) if package else sys.path[:1]
    return [package + "." * bool(package) + m.name for m in pkgutil.iter_modules(path)]


def _nearest(word, candidates):
    import difflib

    return next(iter(difflib.get_close_matches(word, candidates, 1)), None)


def _is_path(target):
    return os.sep in target or os.path.isfile(target)


def _module_of_path(path):
    """The dotted name of the module in a file; its top folder (the first above that is not a package) goes on sys.path."""
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise Failure("import", "there is no file %s" % path, "", "FileNotFoundError")
    folder, name = os.path.dirname(path), os.path.basename(path)[:-3]
    parts = [] if name == "__init__" else [name]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    dotted = ".".join(parts)
    _refuse_other_file(dotted, path)
    return dotted


def _refuse_other_file(dotted, path):
    """A file named like a module that comes first on the path (say, test.py) would import the wrong thing in silence."""
    try:
        found = importlib.util.find_spec(dotted)
    except (ImportError, ValueError):
        return  # the import itself will say what is wrong
    if found is not None and found.origin and os.path.isfile(found.origin) and not os.path.samefile(found.origin, path):
        raise Failure("import", "module %r is %s, not %s" % (dotted, found.origin, path), "rename the file")


def _default(module, place):
    for name in _DEFAULT_NAMES:
        if hasattr(module, name):
            return getattr(module, name)
    raise Failure("import", "module %r has no attribute 'application' or 'app'" % module.__name__,
                  _suggestion(module, _DEFAULT_NAMES, place), "AttributeError")


def _suggestion(holder, missing, place):
    """A hint: which of holder's attributes may have been meant by one of the missing names. APP is `place` and a name."""
    there = [name for name in dir(holder) if not name.startswith("_") and callable(getattr(holder, name, None))]
    for name in missing:
        near = _nearest(name, there)
        if near:
            return "did you mean %s%s%s?" % (place, near, "()" if near in _FACTORY_NAMES else "")
    for name in _FACTORY_NAMES:
        if name in there:
            return "it has a factory: give APP as %s%s()" % (place, name)
    return "name it: %sATTRIBUTE" % place


def _evaluate(module, expression, place):
    """The object that a dotted name, or a call of one with literal arguments, stands for."""
    try:
        node = ast.parse(expression, mode="eval").body
        call = node if isinstance(node, ast.Call) else None
        names = _dotted(call.func if call else node)
        args = [ast.literal_eval(a) for a in call.args] if call else []
        kwargs = {k.arg: ast.literal_eval(k.value) for k in call.keywords} if call else {}
        if None in kwargs:
            raise ValueError
    except (SyntaxError, ValueError):
        raise Failure("import", "%r is not an attribute or a call with literal arguments" % expression,
                      "for example module:app or module:create_app('production')", "SyntaxError") from None
    target = module
    for name in names:
        try:
            target = getattr(target, name)
        except AttributeError:
            raise Failure("import", "module %r has no attribute %r" % (module.__name__, ".".join(names)),
                          _suggestion(target, [name], place), "AttributeError") from None
        place += name + "."
    return _call(target, args, kwargs, expression) if call else target


def _dotted(node):
    names = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError
    return [node.id] + names


def _call(factory, args, kwargs, expression):
    try:
        app = factory(*args, **kwargs)
    except BaseException as error:
        raise _failure("calling %s failed: %s" % (expression, message_of(error)), error) from None
    if inspect.iscoroutine(app):
        app.close()
        raise Failure("import", "%s is a coroutine function" % expression, "a factory must be a plain function", "TypeError")
    if app is None:
        raise Failure("import", "%s returned None" % expression, "a factory must return the application", "TypeError")
    return app


def _failure(message, error, hint=""):
    return Failure("import", message, hint, kind_of(error), traceback_of(error))


def detect(app, wanted="", interface="auto"):
    """(interface, certain): WSGI, ASGI or TORNADO, and whether that is known or a guess. `interface` is what the user says;
    `wanted` is the model asked for: it decides where app itself does not. Raises Failure when app is none of them."""
    httputil = sys.modules.get("tornado.httputil")  # an application that is Tornado's has imported it
    if httputil is not None and isinstance(app, httputil.HTTPServerConnectionDelegate):
        return TORNADO, True
    if not callable(app):
        raise Failure("import", "the application is not callable: it is %s" % _describe(app), "check the name after the colon", "TypeError")
    if interface != "auto":
        return interface, True
    if _is_coroutine_function(app):
        return ASGI, True
    if inspect.isclass(app):
        return _of_class(app), True
    arity = _arity(app)
    if arity == 0:
        raise Failure("import", "%s needs no arguments: it looks like a factory" % _describe(app), "call it: give APP with ()", "TypeError")
    if arity is None:
        return (ASGI if wanted == ASGI else WSGI), False
    if arity == 3 or (arity == 1 and wanted == ASGI):
        return ASGI, True
    if arity == 1:
        raise Failure("import", "%s takes one argument: it is neither WSGI nor ASGI 3" % _describe(app),
                      "a factory needs its arguments in APP; an ASGI 2 application needs -k asgi", "TypeError")
    return WSGI, True


def doubtful(app, interface, why):
    """An application whose interface is a guess, made to say so when the first calls fail; and why its model runs."""
    guess, other = (_NAMES[ASGI], WSGI) if interface == ASGI else (_NAMES[WSGI], ASGI)
    doubt = "it was called as %s application, but takes (*args) and does not say what it is: if it is not, use --interface %s" % (guess, other)
    served = False

    def refusal(what):
        error = TypeError("%s; %s" % (what, doubt))
        error.wrong_guess = True
        return error

    def wsgi(environ, start_response):
        nonlocal served
        try:
            result = app(environ, start_response)
        except Exception as error:
            if served:
                raise
            raise refusal(message_of(error)) from error
        if inspect.iscoroutine(result):
            result.close()
            raise refusal("the call returned a coroutine")
        served = True
        return result

    def asgi(scope, receive, send):
        nonlocal served
        try:
            called = app(scope, receive, send)
        except Exception as error:
            if served:
                raise
            raise refusal(message_of(error)) from error
        if not inspect.isawaitable(called):
            raise refusal("the call returned %s" % _describe(called))
        served = True
        return called

    return (asgi if interface == ASGI else wsgi), why + " (a guess: see --interface)"


def _of_class(app):
    """A class as application: WSGI if its constructor takes (environ, start_response), ASGI 2 if it takes the scope."""
    if _arity(app) == 1 and _is_coroutine_function(getattr(app, "__call__", None)):
        return ASGI
    if _arity(app) == 2 and hasattr(app, "__iter__"):
        return WSGI
    raise Failure("import", "%s is a class, not an application" % _describe(app), "give APP with (): an instance is needed", "TypeError")


def is_single_callable(app):
    """Whether an ASGI application is of version 3: one call with scope, receive and send."""
    return not inspect.isclass(app) and (_is_coroutine_function(app) or _arity(app) != 1)


def _is_coroutine_function(app):
    app = inspect.unwrap(app) if callable(app) else app
    while isinstance(app, functools.partial):
        app = app.func
    if _marked(app):
        return True
    if inspect.isclass(app) or inspect.isfunction(app) or inspect.ismethod(app):
        return False
    call = getattr(type(app), "__call__", None)
    return call is not None and _marked(inspect.unwrap(call))


def _marked(function):
    """A coroutine function, or one that says so (asyncio's and inspect's markers, for decorators and compiled code)."""
    return (
        inspect.iscoroutinefunction(function)
        or getattr(function, "_is_coroutine", None) is not None
        or getattr(function, "_is_coroutine_marker", None) is not None
    )


def _arity(app):
    """How many positional arguments app must be given, or takes if it has defaults; None if nobody can tell."""
    try:
        parameters = inspect.signature(app, **_UNEVALUATED).parameters.values()
    except Exception:  # TypeError or ValueError; and whatever an application's own __signature__ raises
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    return len(required)


def _describe(app):
    kind = app if inspect.isclass(app) or inspect.isroutine(app) else type(app)
    return "%s %s.%s" % ("class" if inspect.isclass(app) else "function" if inspect.isroutine(app) else "an instance of",
                         kind.__module__, kind.__qualname__)


_AUTOMATIC = {
    WSGI: ("sync", "a WSGI application runs under sync"),
    ASGI: ("asgi", "an ASGI application runs under asgi"),
    TORNADO: ("tornado", "a Tornado application runs under tornado"),
}
_NATIVE = {ASGI: ("asgi",), TORNADO: ("tornado", "gtornado")}
_NEEDS = {ASGI: "needs an asyncio event loop", TORNADO: "needs Tornado's IOLoop"}
_NAMES = {WSGI: "a WSGI", ASGI: "an ASGI", TORNADO: "a Tornado"}


def choose(interface, wanted, threads=1):
    """The model that runs and why, or Failure (phase "combination")."""
    if not wanted and interface == WSGI and threads > 1:
        return "gthread", "a WSGI application with several threads runs under gthread"
    if not wanted:
        return _AUTOMATIC[interface]
    native = _NATIVE.get(interface)
    if native is not None and wanted not in native:
        raise Failure("combination", "%s application %s: it cannot run under %s" % (_NAMES[interface], _NEEDS[interface], wanted),
                      "use -k " + " or -k ".join(native))
    return wanted, "%s application under %s, as asked" % (_NAMES[interface], wanted)
