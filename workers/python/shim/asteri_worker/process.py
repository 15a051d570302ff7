"""What the worker's process may use of the machine, and what it is called."""
import os

from .errors import Failure, message_of


def enter(hello):
    """Before anything of the application runs. The threads that are there by now are the worker's own, and stay as quick as they are."""
    if hello["nice"]:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, hello["nice"])
        except OSError as error:
            raise Failure("start", "the worker cannot have the niceness %d: %s" % (hello["nice"], error.strerror), "see --worker-nice") from None
    for name, soft, hard in hello["rlimits"]:
        _limit(name, soft, hard)


def _limit(name, soft, hard):
    import resource

    try:
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (soft, hard))  # -1 is resource.RLIM_INFINITY
    except (AttributeError, OSError, ValueError) as error:
        raise Failure("start", "the worker cannot have the limit %s: %s" % (name, message_of(error)), "see --worker-rlimit") from None


def title(name):
    """Names the process. What can be done of it depends on the system and on what is installed; it is worth no failure."""
    if not name:
        return
    try:
        with open("/proc/self/comm", "wb") as comm:
            comm.write(os.fsencode(name))
    except OSError:
        pass
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle("asteri-loop: worker [%s]" % name)
