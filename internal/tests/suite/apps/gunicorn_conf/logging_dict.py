# The configuration of logging as a dict, with a class of its own in it.
import json
import logging


class JSON(logging.Formatter):
    def format(self, record):
        return json.dumps({"level": record.levelname, "logger": record.name, "message": record.getMessage()})


bind = "127.0.0.1:0"
loglevel = "debug"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JSON}},
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["console"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": False},
        "shop": {"level": "DEBUG", "handlers": ["console"], "propagate": False},
    },
}


def post_fork(server, worker):
    worker.log.info("forked")
