"""Answers with the status that the path names, and with content where that has any."""


def app(environ, start_response):
    status = environ["PATH_INFO"].strip("/")
    content = b"" if status in ("204", "304") else b"x" * 1000
    start_response(status + " Whatever", [("Content-Type", "text/plain"), ("ETag", '"x"')])
    return [content]
