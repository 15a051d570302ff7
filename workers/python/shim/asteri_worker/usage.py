"""What the calling thread has used of its processor."""
from time import thread_time

try:
    from resource import RUSAGE_THREAD, getrusage
except ImportError:  # not on macOS
    from itertools import count

    _switches = count(step=1 << 30).__next__

    def thread_use():
        """(CPU seconds, times it gave up the processor by itself): here the latter always looks as if it were often."""
        return thread_time(), _switches()
else:

    def thread_use():
        """(CPU seconds, times it gave up the processor by itself) of this thread, for differences."""
        use = getrusage(RUSAGE_THREAD)
        return use.ru_utime + use.ru_stime, use.ru_nvcsw
