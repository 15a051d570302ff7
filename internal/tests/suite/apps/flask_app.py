"""Flask as applications use it: sessions, forms, uploads, files, streams."""

import hashlib
import io

from flask import (Flask, Response, jsonify, make_response, redirect, request,
                   send_file, session, stream_with_context, url_for)

app = Flask(__name__)
app.secret_key = "only for tests"


@app.get("/")
def index():
    return "Hello from Flask"


@app.get("/greet/<name>")
def greet(name):
    return f"Hello, {name}!"


@app.get("/where")
def where():
    return jsonify(url=request.url, root=request.script_root, secure=request.is_secure,
                   client=request.remote_addr, arguments=request.args.to_dict(flat=False))


@app.post("/form")
def form():
    return jsonify(request.form.to_dict(flat=False))


@app.post("/json")
def json():
    return jsonify(request.get_json())


@app.post("/upload")
def upload():
    file = request.files["file"]
    content = file.read()
    return jsonify(name=file.filename, size=len(content), title=request.form["title"],
                   sha256=hashlib.sha256(content).hexdigest())


@app.post("/digest")
def digest():
    """Read the body piece by piece, without a form parser between."""
    state = hashlib.sha256()
    while piece := request.stream.read(10_000):
        state.update(piece)
    return state.hexdigest()


@app.get("/login")
def login():
    session["user"] = request.args["user"]
    response = make_response("welcome")
    response.set_cookie("theme", "dark", httponly=True)
    return response


@app.get("/me")
def me():
    return jsonify(user=session.get("user"), theme=request.cookies.get("theme"))


@app.get("/moved")
def moved():
    return redirect(url_for("greet", name="mover"))


@app.get("/stream")
def stream():
    def lines():
        for number in range(int(request.args["n"])):
            yield f"line {number} of {request.path}\n"

    return Response(stream_with_context(lines()), mimetype="text/plain")


@app.get("/download")
def download():
    """A conditional download: ranges and entity tags are Werkzeug's, the bytes go by wsgi.file_wrapper."""
    return send_file(__file__, mimetype="text/x-python", as_attachment=True)


@app.get("/memory")
def memory():
    return send_file(io.BytesIO(b"from memory"), mimetype="text/plain")


@app.get("/error")
def error():
    raise RuntimeError("the secret of the failing view")
