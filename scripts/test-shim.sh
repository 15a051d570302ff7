#!/bin/sh
# Runs the Python tests of the worker shim on every Python that is served and that
# there is (scripts/pythons.sh), each in an environment of its own:
# test-shim.sh [PYTHON...]
set -eu
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- $(scripts/pythons.sh)
if [ $# -eq 0 ]; then
	echo "test-shim: no Python from 3.9 on was found" >&2
	exit 1
fi

printf '%s\n' "$@" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 sh -c '
	scripts/venv.sh "$PWD/.venv/shim-$("$0" -c "import sys; print(\"%d.%d\" % sys.version_info[:2])")" scripts/shim-requirements.txt "$0"'
environments=
for python; do
	environments="$environments $PWD/.venv/shim-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')/bin/python"
done
# The list is of words to be split.
# shellcheck disable=SC2086
set -- $environments
cd workers/python/shim
exec "$1" -B -m tests "$@"
