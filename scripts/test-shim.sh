#!/bin/sh
# Runs the Python tests of the worker shim on each Python from 3.9 on that this
# machine has, each in an environment of its own: test-shim.sh [PYTHON...]
set -eu
cd "$(dirname "$0")/.."

# found prints one interpreter for each version: those on the path, and pyenv's.
found() {
	for minor in 9 10 11 12 13 14; do
		for python in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python; do
			# A version manager's stand-in may be on the path and yet refuse to run.
			if "$python" -c 'import ssl, venv' >/dev/null 2>&1; then
				echo "$python"
				break
			fi
		done
	done
}

[ $# -gt 0 ] || set -- $(found)
[ $# -gt 0 ] || { echo "test-shim: no Python from 3.9 on was found" >&2; exit 1; }

root=$PWD
for python in "$@"; do
	version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	scripts/venv.sh ".venv/shim-$version" scripts/shim-requirements.txt "$python"
	echo "shim tests on Python $version"
	(cd workers/python/shim && "$root/.venv/shim-$version/bin/python" -B -m unittest discover --quiet --start-directory tests --top-level-directory .)
done
