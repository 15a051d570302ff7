# Metrics of several processes, served by the server's helper; after what prometheus_client's documentation asks for.
import os
import shutil

from prometheus_client import CollectorRegistry, multiprocess, start_http_server

bind = "127.0.0.1:0"
workers = 2
metrics_dir = os.environ["PROMETHEUS_MULTIPROC_DIR"]


def on_starting(server):
    # What an earlier run has left would be counted twice.
    shutil.rmtree(metrics_dir, ignore_errors=True)
    os.makedirs(metrics_dir)


def when_ready(server):
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    start_http_server(int(os.environ["METRICS_PORT"]), addr="127.0.0.1", registry=registry)


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    server.log.info("metrics of %s are put away, it ended with %s", worker.pid, worker.exitcode)
