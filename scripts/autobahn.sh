#!/bin/sh
# Runs Autobahn's WebSocket test suite against the demonstration's /ws and against an
# ASGI echo, plain and over TLS, with compression and without: autobahn.sh [CASES]
# CASES is a list such as '"1.*", "9.1.*"'; the default is all of them, which takes
# about an hour, nearly all of it in the suite's own compression.
#
# The suite runs on CPython 2.7 only. PYTHON2 names the interpreter; without it one
# is looked for on the path and among pyenv's. It is installed into .venv/autobahn.
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh

cases=${1:-'"*"'}
suite=$PWD/.venv/autobahn
apps=$PWD/internal/tests/suite/apps
python=$PWD/.venv/tests/bin/python

for python2 in ${PYTHON2:-} python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python; do
	"$python2" -c 'import ssl' >/dev/null 2>&1 && break
	python2=
done
[ -n "$python2" ] || { echo "autobahn: no CPython 2.7 was found; set PYTHON2" >&2; exit 1; }

if [ ! -x "$suite/bin/wstest" ]; then
	rm -rf "$suite"
	"$python2" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --target "$suite" autobahntestsuite==25.10.1 2>/dev/null
	# What --target leaves out of a namespace package.
	touch "$suite/zope/__init__.py"
fi

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT INT TERM

# try NAME PATH ARGUMENTS...: starts a server and runs the cases against it, plain and
# over TLS.
try() {
	name=$1 path=$2
	shift 2
	: >"$work/$name.log"
	bin/asteri-loop -l 127.0.0.1:0 --log-level info "$@" >"$work/$name.log" 2>&1 &
	server=$!
	await "$work/$name.log"
	for scheme in ws wss; do
		cat >"$work/spec.json" <<-JSON
			{"options": {"failByDrop": false}, "outdir": "$work/$name-$scheme", "cases": [$cases], "exclude-cases": [], "exclude-agent-cases": {},
			 "servers": [{"agent": "$name-$scheme", "url": "$scheme://$address$path", "options": {"version": 18}}]}
		JSON
		PYTHONPATH=$suite PYTHONDONTWRITEBYTECODE=1 "$python2" -W ignore "$suite/bin/wstest" -m fuzzingclient -s "$work/spec.json" >"$work/suite.log" 2>&1 ||
			{ cat "$work/suite.log" >&2; exit 1; }
	done
	finish
}

try go /ws
try go-uncompressed /ws --websocket-compression off
try go-takeover /ws --websocket-compression takeover
try asgi /echo --python "$python" --chdir "$apps" -w asgi websocket_app:app
try asgi-uncompressed /echo --python "$python" --chdir "$apps" -w asgi --websocket-compression off websocket_app:app

"$python" - "$work" <<'PYTHON'
import collections, glob, json, sys

failed = False
for name in sorted(glob.glob(sys.argv[1] + "/*/index.json")):
    with open(name) as f:
        [(agent, cases)] = json.load(f).items()
    print("autobahn: %-22s" % agent, dict(collections.Counter(c["behavior"] for c in cases.values())))
    good = {"OK", "INFORMATIONAL"} | ({"UNIMPLEMENTED"} if "uncompressed" in agent else set())
    for number, case in cases.items():
        if case["behavior"] not in good or case["behaviorClose"] not in good:
            failed = True
            print("autobahn: %s case %s: %s, close %s" % (agent, number, case["behavior"], case["behaviorClose"]))
sys.exit(failed)
PYTHON
