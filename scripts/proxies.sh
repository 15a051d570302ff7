#!/bin/sh
# Installs the proxies that the tests put in front of the server, nginx and
# HAProxy, where that needs no question: as root on a system with apt (a
# container), or in hosted CI. Elsewhere the tests with them are skipped, and what
# the proxies send is replayed.
set -eu

missing=
for name in nginx haproxy; do
	command -v "$name" >/dev/null || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
if ! command -v apt-get >/dev/null || [ -n "$as_root" ] && { [ -z "${CI:-}" ] || ! $as_root true; }; then
	echo "proxies.sh: not installed, and not tested with:$missing" >&2
	exit 0
fi
install() {
	$as_root apt-get update -q >&2 &&
		# The list is of words to be split.
		# shellcheck disable=SC2086
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
}
if ! install; then # no network, perhaps
	echo "proxies.sh: could not install, and did not test with:$missing" >&2
	exit 0
fi
for service in $missing; do # a package starts its service, which nobody has asked for
	$as_root service "$service" stop >/dev/null 2>&1 || true
done
