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

# environment prints where that of an interpreter is.
environment() {
	version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || return 1
	echo "$PWD/.venv/shim-$version"
}

environments=
for python; do
	directory=$(environment "$python")
	environments="$environments $directory/bin/python"
done
for python; do
	printf '%s\n' "$(environment "$python")" scripts/shim-requirements.txt "$python"
done | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 3 scripts/venv.sh
# The list is of words to be split.
# shellcheck disable=SC2086
set -- $environments
cd workers/python/shim
exec "$1" -B -m tests "$@"
