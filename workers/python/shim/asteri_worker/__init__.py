"""The worker process of asteri-loop: runs one Python application behind the front.

The front (Go) owns every client socket. This package speaks the link of PROTOCOL.md on descriptor 3, the control
socket on descriptor 4, and calls the application under one of the six worker models. Pure standard library, Python 3.9+.
"""

VERSION = 1
