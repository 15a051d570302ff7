"""A guest book in Flask.

    asteri-loop -w gtornado -l :8443 --chdir examples/flask "app:create_app()"

A WSGI application runs under every model; try -w sync, -w gthread --threads 8
or -w gevent. The factory makes one application per worker process.
"""

import sqlite3
from pathlib import Path

from flask import Flask, Response, current_app, g, redirect, render_template_string, request, url_for

PAGE = """<!doctype html>
<title>Guest book</title>
<h1>Guest book</h1>
<form method="post" action="{{ url_for('sign') }}">
  <input name="name" placeholder="Name" required> <input name="words" placeholder="Words" required size="50">
  <button>Sign</button>
</form>
<ul>{% for entry in entries %}<li><b>{{ entry.name }}</b>: {{ entry.words }}</li>{% endfor %}</ul>
<p><a href="{{ url_for('export') }}">Export as CSV</a></p>
"""


def create_app(database=None):
    app = Flask(__name__)
    app.config["DATABASE"] = database or Path(app.instance_path) / "guestbook.sqlite3"
    Path(app.config["DATABASE"]).parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(app.config["DATABASE"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, name TEXT, words TEXT)")
    connection.close()

    app.teardown_appcontext(close_database)
    app.add_url_rule("/", view_func=index)
    app.add_url_rule("/sign", view_func=sign, methods=["POST"])
    app.add_url_rule("/export", view_func=export)
    app.add_url_rule("/api/entries", view_func=entries)
    return app


def database():
    """One connection a request, opened when it is first used."""
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"], timeout=10)
        g.database.row_factory = sqlite3.Row
    return g.database


def close_database(error=None):
    if "database" in g:
        g.pop("database").close()


def newest(limit):
    return database().execute("SELECT name, words FROM entries ORDER BY id DESC LIMIT ?", (limit,)).fetchall()


def index():
    return render_template_string(PAGE, entries=newest(50))


def sign():
    with database() as transaction:
        transaction.execute("INSERT INTO entries (name, words) VALUES (?, ?)",
                            (request.form["name"], request.form["words"]))
    return redirect(url_for("index"), 303)


def entries():
    return [dict(row) for row in newest(request.args.get("limit", 50, type=int))]


def export():
    """Streamed: rows leave as they are read, however many there are."""
    rows = newest(-1)

    def lines():
        yield "name,words\n"
        for row in rows:
            yield ",".join('"' + field.replace('"', '""') + '"' for field in row) + "\n"

    return Response(lines(), mimetype="text/csv")
