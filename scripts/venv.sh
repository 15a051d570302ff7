#!/bin/sh
# Prepares a virtual environment: venv.sh DIRECTORY REQUIREMENTS [PYTHON]
# Does nothing when DIRECTORY was made from these very REQUIREMENTS already.
set -eu

directory=$1
requirements=$2
python=${3:-${PYTHON:-python3}}

# Before anything is removed: who names a file that is not there has made a mistake.
if [ ! -r "$requirements" ]; then
	echo "venv: cannot read $requirements" >&2
	exit 1
fi

# Two test runs at a time must not build one environment together.
mkdir -p "$(dirname "$directory")"
exec 9>"$directory.lock"
if command -v flock >/dev/null 2>&1; then
	flock 9
fi

stamp=$directory/.requirements
if [ -x "$directory/bin/python" ] && cmp -s "$requirements" "$stamp"; then
	exit 0
fi

echo "venv: preparing $directory from $requirements" >&2
rm -rf "$directory"
"$python" -m venv "$directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2
cp "$requirements" "$stamp"
