#!/bin/sh
# Prints an interpreter for each version of Python from 3.9 on that this machine
# has, one a line: those on the path, pyenv's, and 3.14 and 3.15 from Debian's
# unstable suite, fetched into .venv/pythons where the machine has neither and its
# apt knows a mirror of Debian. Nothing is installed and nothing asked: root is not
# needed. Those two bring their own C library, so any release will do.
set -eu
cd "$(dirname "$0")/.."

# Its real place: where .venv is a link, what is fetched outlives the checkout that fetched it.
mkdir -p .venv
directory=$(cd .venv && pwd -P)/pythons

# own prints the interpreter of version $1 that the machine has itself.
own() {
	for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
		# A version manager's stand-in may be on the path and yet refuse to run.
		if "$python" -c 'import ssl, venv' >/dev/null 2>&1; then
			command -v "$python"
			return
		fi
	done
}

# fetch fills $directory with the versions named.
fetch() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' | awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }')
	[ -r "$keys" ] && [ -n "$mirror" ] || return 1

	# An apt of its own: its one source is that suite, and nothing is installed in its eyes,
	# so that it takes all that a Python needs.
	apt=$directory/apt
	rm -rf "$directory"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/status"
	echo "deb [signed-by=$keys] $mirror unstable main" >"$apt/sources"
	own_apt() {
		apt-get -q -o Dir::Etc::SourceList="$apt/sources" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$apt/lists" \
			-o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
			-o Acquire::Languages=none "$@" >&2
	}
	own_apt update || return 1
	packages=libstdc++6 # for what is built in C++ and comes as a wheel
	for version in "$@"; do
		packages="$packages python$version python$version-venv"
	done
	# The list is of words to be split.
	# shellcheck disable=SC2086
	own_apt --download-only --no-install-recommends -y install $packages || return 1
	for package in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$package" "$directory" || return 1
	done
	rm -rf "$apt"

	libraries=$(dirname "$directory"/usr/lib/*/libc.so.6)
	for version in "$@"; do
		# Run by their own loader. It is told the name that was called, by which Python finds its
		# environment and its library: links of virtual environments work.
		mv "$directory/usr/bin/python$version" "$directory/usr/bin/python$version.program"
		cat >"$directory/usr/bin/python$version" <<-LAUNCHER
			#!/bin/sh
			exec $(echo "$libraries"/ld-linux*.so.*) --argv0 "\$0" --library-path "$libraries" "$directory/usr/bin/python$version.program" "\$@"
		LAUNCHER
		chmod +x "$directory/usr/bin/python$version"
		# venv installs the pip that lies here.
		sed -i "s,'/usr/share/python-wheels/',\"$directory/usr/share/python-wheels/\"," "$directory/usr/lib/python$version"/_sysconfigdata_*.py
		# As the package's installation would: else each worker compiles what it imports, which takes longer than all else.
		"$directory/usr/bin/python$version" -m compileall -q "$directory/usr/lib/python$version" >&2 || return 1
	done
	echo "$*" >"$directory/.versions"
}

exec 9>.venv/pythons.lock
if command -v flock >/dev/null 2>&1; then
	flock 9
fi

missing=
for minor in 9 10 11 12 13 14 15; do
	python=$(own "3.$minor")
	if [ -n "$python" ]; then
		echo "$python"
	elif [ "$minor" -ge 14 ]; then
		missing="$missing 3.$minor"
	fi
done

[ -n "$missing" ] || exit 0
# shellcheck disable=SC2086
set -- $missing
# What was fetched says where it lies: in a folder that has been moved it does not run.
fetched() {
	[ "$(cat "$directory/.versions" 2>/dev/null)" = "$*" ] || return 1
	for version in "$@"; do
		"$directory/usr/bin/python$version" -c 'import ssl, venv' >/dev/null 2>&1 || return 1
	done
}
if ! fetched "$@" && ! fetch "$@"; then
	echo "pythons.sh: not fetched, and not tested with: Python $*" >&2
	exit 0
fi
for version in "$@"; do
	echo "$directory/usr/bin/python$version"
done
