"""What the application's process may do and is called, as it sees itself; and what makes it work or grow."""

import json
import os
import resource
import time

kept = []


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(0.2)
    elif path == "/grow":
        kept.append(b"x" * (100 << 20))
    with open("/proc/self/comm") as comm:
        name = comm.read().strip()
    mask = os.umask(0)
    os.umask(mask)
    body = json.dumps({
        "pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "umask": mask, "name": name,
        "nice": os.getpriority(os.PRIO_PROCESS, 0), "files": resource.getrlimit(resource.RLIMIT_NOFILE), "environ": dict(os.environ),
    }).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
