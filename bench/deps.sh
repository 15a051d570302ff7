#!/bin/sh
# Installs what the comparison needs and leaves alone what is there: the load
# generators and C servers from Debian's packages, Caddy in bench/.peers/bin, and
# the Python peers in an environment of their own, bench/.peers/venv. PYTHON names
# the interpreter.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
venv=$here/.peers/venv
caddy=github.com/caddyserver/caddy/v2/cmd/caddy@v2.10.2

missing=
for pair in wrk:wrk ab:apache2-utils h2load:nghttp2-client nginx:nginx h2o:h2o openssl:openssl; do
	command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done

if [ -n "$missing" ]; then
	if ! command -v apt-get >/dev/null; then
		echo "deps.sh: please install:$missing" >&2
		exit 1
	fi
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	$as_root apt-get update -q
	# The list is of words to be split.
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
	# A package starts its service; a busy one would spoil the figures.
	for service in nginx h2o; do
		case $missing in
		*$service*) $as_root service "$service" stop >/dev/null 2>&1 || true ;;
		esac
	done
fi

# Caddy comes as a Go program; the comparison's other Go peers are in go.mod.
[ -x "$here/.peers/bin/caddy" ] || GOFLAGS=-mod=mod GOBIN="$here/.peers/bin" CGO_ENABLED=0 go install -trimpath "$caddy"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$here/peers/requirements.txt"
echo "deps.sh: ready, $("$venv/bin/python" --version)"
