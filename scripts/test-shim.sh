#!/bin/sh
# Runs the Python tests of the worker shim on every Python that is served and that
# there is (scripts/pythons.sh), each in an environment of its own:
# test-shim.sh [PYTHON...]
set -eu
cd "$(dirname "$0")/.."

# test_one prints what the tests say on one interpreter, when they have ended.
test_one() {
	version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	environment=$PWD/.venv/shim-$version
	output=$(
		scripts/venv.sh "$environment" scripts/shim-requirements.txt "$1" 2>&1 &&
			cd workers/python/shim &&
			"$environment/bin/python" -B -m unittest discover --quiet --start-directory tests --top-level-directory . 2>&1
	) && status=0 || status=$?
	printf 'shim tests on Python %s\n%s\n' "$version" "$output"
	return "$status"
}

[ $# -gt 0 ] || set -- $(scripts/pythons.sh)
case $# in
0)
	echo "test-shim: no Python from 3.9 on was found" >&2
	exit 1
	;;
1) test_one "$1" ;;
# The tests mostly wait for processes, so several interpreters take turns.
*) printf '%s\n' "$@" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 scripts/test-shim.sh ;;
esac
