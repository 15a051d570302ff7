# Hooks that several files import.
def post_fork(server, worker):
    import gevent.monkey

    worker.log.info("patched: %s, with %s connections", gevent.monkey.is_module_patched("socket"), worker.cfg.worker_connections)


def post_request(worker, req, environ):  # an older form of this hook
    worker.log.info("after %s for %s", req.uri, environ["REMOTE_ADDR"])
