# A module, read by python:, whose hooks are another's.
from gunicorn_conf import shared_hooks
from gunicorn_conf.shared_hooks import post_request  # noqa: F401

bind = "127.0.0.1:0"
worker_class = "gevent"
worker_connections = 77
post_fork = shared_hooks.post_fork
