"""An application that answers, except at one path."""

import time

import hello


def wsgi(environ, start_response):
    while environ["PATH_INFO"] == "/hang":
        time.sleep(1)
    return hello.wsgi(environ, start_response)
