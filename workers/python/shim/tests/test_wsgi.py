"""WSGI under every model: PEP 3333."""
import unittest
from urllib.parse import quote

from .front import ANSWERS, DATA, FILE, START
from .wsgi_app import every_model


class Interface(unittest.TestCase):
    @every_model()
    def test_whole_answers(self, front):
        streams = front.post_batch([front.request() for _ in range(200)])
        front.wait_done(*streams)
        for stream in streams:
            self.assertEqual((stream.status, bytes(stream.body)), (200, b"Hello, World!"))
            self.assertEqual(stream.header("set-cookie"), ["a=1", "b=2"])
            self.assertEqual(stream.kinds, [ANSWERS])

    @every_model(root_path="/mount", multiprocess=False)
    def test_environ(self, front):
        stream = front.call("/mount/environ", query="a=%20&b=2", headers=[("Host", "example.org:81"), ("Accept", "text/html")])
        environ = eval(stream.body)
        expected = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/mount", "PATH_INFO": "/environ", "QUERY_STRING": "a=%20&b=2",
            "RAW_URI": "/mount/environ?a=%20&b=2", "REQUEST_URI": "/mount/environ?a=%20&b=2",
            "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "10.0.0.1", "SERVER_PORT": "8080", "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "5000", "SERVER_SOFTWARE": "asteri-loop/test", "HTTP_HOST": "example.org:81",
            "HTTP_ACCEPT": "text/html", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.run_once": False,
            "wsgi.multiprocess": False, "wsgi.input_terminated": True,
            "wsgi.multithread": self.model in ("gthread", "gevent", "asgi", "gtornado"),
        }
        self.assertEqual(environ, expected)

    @every_model(root_path="/mount/")
    def test_paths(self, front):
        def environ(path, **kwargs):
            return eval(front.call(path, **kwargs).body)

        seen = environ("/mount/environ")
        self.assertEqual((seen["SCRIPT_NAME"], seen["PATH_INFO"]), ("/mount", "/environ"))
        seen = environ("/environ", server=("/run/app.sock", None), client=None, headers=[("Host", "site.example")], scheme="https")
        self.assertEqual((seen["PATH_INFO"], seen["SERVER_NAME"], seen["SERVER_PORT"], seen["REMOTE_ADDR"]),
                         ("/environ", "site.example", "443", ""))
        seen = environ("/%65nviron/")
        self.assertEqual(seen["PATH_INFO"], "/environ/")
        seen = environ("/proxy/environ", headers=[("SCRIPT_NAME", "/proxy"), ("REMOTE_USER", "bob")], client=("192.0.2.1", 0))
        self.assertEqual([seen[k] for k in ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "REMOTE_ADDR", "REMOTE_PORT")],
                         ["/proxy", "/environ", "bob", "192.0.2.1", ""])

    @every_model(root_path="/caf\xe9/")
    def test_path_beyond_ascii(self, front):
        for path in ("/caf%C3%A9/environ", "/caf%c3%a9/environ"):
            seen = eval(front.call(path).body)
            self.assertEqual([seen[k].encode("latin-1").decode() for k in ("SCRIPT_NAME", "PATH_INFO")], ["/caf\xe9", "/environ"])

    @every_model()
    def test_latin1_path(self, front):
        self.assertEqual(eval(front.call("/caf%C3%A9%2F%00").body), "/caf\xc3\xa9/\x00")

    @every_model()
    def test_monkey_patch_comes_before_the_import(self, front):
        self.assertEqual("gevent" in front.call("/patched").body.decode(), self.model in ("gevent", "gtornado"))

    @every_model()
    def test_validator(self, front):
        stream = front.call("/validate", method="POST", body=b"some body", headers=[("Content-Length", "9"), ("Host", "x")])
        self.assertEqual(bytes(stream.body), b"valid some body", stream.error)
        front.wait(lambda: any(m == "validated" for _, _, m, _ in front.logs), "the log line")

    @every_model()
    def test_write(self, front):
        stream = front.call("/write")
        self.assertEqual(bytes(stream.body), b"one two three")
        self.assertEqual(stream.chunks[:2], [b"one ", b"two "])

    @every_model()
    def test_write_by_a_thread_of_the_application(self, front):
        stream = front.call("/writethread")
        self.assertEqual(bytes(stream.body), b"x" * 20 * 65536 + b"end")

    @every_model(alone=True, auto_window=False)
    def test_a_write_that_fails_half_way_ends_no_whole_response(self, front):
        stream = front.call("/writefails")
        self.assertEqual((len(stream.body), stream.ended, stream.abort[0]), (262144, False, "RuntimeError: no more"))

    @every_model()
    def test_early_hints(self, front):
        stream = front.start("/hints")
        first = (103, ("Link", "</a.css>; rel=preload", "X-Note", "caf\u00e9"))
        front.wait(lambda: stream.informs == [first], "the hints while the call still runs")
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual((stream.informs, bytes(stream.body)), ([first, (103, (b"link", b"</b.js>"))], b"body"))
        stream = front.call("/badhints")
        self.assertEqual((stream.informs, "TypeError" in stream.error[0]), ([], True))

    @every_model()
    def test_errors_before_the_first_byte(self, front):
        for path, message in (
            ("/raise", "ValueError: before"), ("/raisefirst", "ValueError: before bytes"), ("/exit", "SystemExit: 7"),
            ("/twice", "AssertionError: start_response was called twice"), ("/nostart", "AssertionError: "),
            ("/str", "TypeError: response data must be bytes, not str"), ("/badheaders", "TypeError: headers must be"),
            ("/badstatus", "ValueError: "), ("/unencodable", "UnicodeEncodeError"),
        ):
            stream = front.call(path)
            self.assertIsNotNone(stream.error, path)
            self.assertIn(message, stream.error[0])
            self.assertIsNone(stream.status)
        self.assertIn("do_raise", front.call("/raise").error[1])
        self.assertNotIn("asteri_worker", front.call("/raise").error[1])
        self.assertEqual(bytes(front.call("/").body), b"Hello, World!")

    @every_model()
    def test_errors_after_the_first_byte(self, front):
        stream = front.call("/raiselate")
        self.assertEqual((stream.abort[0], bytes(stream.body), stream.ended), ("ValueError: after", b"some", False))
        self.assertTrue(front.exists("closed"))
        stream = front.call("/excinfolate")
        self.assertEqual(stream.abort[0], "KeyError: 'late'")
        self.assertIn("Traceback", stream.abort[1])

    @every_model()
    def test_exc_info_before_the_first_byte(self, front):
        stream = front.call("/excinfo")
        self.assertEqual((stream.status, bytes(stream.body)), (500, b"handled"))

    @every_model()
    def test_str_subclasses(self, front):
        good, odd, good_too = front.post_batch([front.request("/"), front.request("/subclass"), front.request("/")])
        front.wait_done(good, odd, good_too)
        self.assertEqual((odd.status, odd.header("X-Name")), (201, ["caf\xe9"]))
        self.assertEqual((good.status, good_too.status), (200, 200))

    @every_model()
    def test_start_response_in_a_generator(self, front):
        self.assertEqual(bytes(front.call("/late").body), b"late start")

    @every_model()
    def test_sequences(self, front):
        """A list or a tuple of one item is a whole response, and has a Content-Length."""
        for path in ("/one", "/onetuple"):
            stream = front.call(path)
            self.assertEqual((stream.kinds, bytes(stream.body)), ([ANSWERS], b"one"))

    @every_model()
    def test_statuses(self, front):
        for line, status, reason in (
            ("200 OK", 200, None), ("404 Not Found", 404, None), ("404 NOT FOUND", 404, "NOT FOUND"), ("299 caf\xe9\t-", 299, "caf\xe9\t-"),
            ("599 Last", 599, "Last"), ("418", 418, None), ("418 ", 418, None),
        ):
            for path in ("/status", "/statusstream"):
                stream = front.call(path, query=quote(line, encoding="latin-1"))
                self.assertEqual((stream.error, stream.status, stream.reason), (None, status, reason))
        for line in ("600 Mine", "999 Last", "099 No", "20 OK", "2000 OK", "200OK", "200 O\nK", "200 OK\n", "200 \u20ac", "+20 OK", "\u0662\u0660\u0660 OK"):
            stream = front.call("/status", query=quote(line))
            self.assertIn("is not a status line", stream.error[0])
            self.assertIn("do_status", stream.error[1])

    @every_model()
    def test_empty(self, front):
        stream = front.call("/empty")
        self.assertEqual((stream.status, stream.headers, bytes(stream.body)), (204, (), b""))

    @every_model()
    def test_input(self, front):
        body = b"line one\nline two\nline three\nlast"
        expected = repr([b"line one\n", b"lin", b"e ", b"two\n", b"line three\n", b"last", b"", b"", b""]).encode()
        self.assertEqual(bytes(front.call("/lines", method="POST", body=body).body), expected)
        self.assertEqual(bytes(front.call_with_file(body, path="/lines").body), expected)
        large = bytes(range(256)) * 4000
        self.assertEqual(bytes(front.call_with_file(large, path="/echo").body), large)
        self.assertEqual(bytes(front.call("/echo").body), b"")

    @every_model()
    def test_content_length_of_a_chunked_body(self, front):
        stream = front.call("/environ", method="POST", body=b"12345", headers=[("Transfer-Encoding", "chunked")])
        self.assertEqual(eval(stream.body)["CONTENT_LENGTH"], "5")
        self.assertNotIn("HTTP_TRANSFER_ENCODING", eval(stream.body))

    @every_model()
    def test_file_wrapper(self, front):
        data = bytes(range(256)) * 400
        with open(front.directory + "/data", "wb") as f:
            f.write(data)
        with open(front.directory + "/small", "wb") as f:
            f.write(b"small")
        stream = front.call("/file")
        self.assertEqual(bytes(stream.body), data[10:])
        self.assertEqual(stream.kinds[:2], [START, FILE])
        self.assertEqual(stream.header("content-length"), [str(len(data) - 10)])
        stream = front.call("/partfile")
        self.assertEqual((bytes(stream.body), stream.kinds[1]), (data[:50000], FILE))
        stream = front.call("/tempfile")
        self.assertEqual((bytes(stream.body), stream.kinds[1]), (b"t" * 100000, FILE))
        self.assertEqual(bytes(front.call("/smallfile").body), b"small")
        stream = front.call("/memoryfile")
        self.assertEqual((bytes(stream.body), stream.kinds[1]), (b"m" * 20000, DATA))
        self.assertEqual(bytes(front.call("/gzipfile").body), b"plain" * 10000)

    @every_model()
    def test_wsgi_errors(self, front):
        stream = front.call("/errors")
        front.wait(lambda: len(front.logs) >= 4, "log lines")
        self.assertEqual([(m, s) for _, _, m, s in front.logs], [
            (m, stream.number) for m in ("first line", "second line", "third", "never flushed")])


if __name__ == "__main__":
    unittest.main()
