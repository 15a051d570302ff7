#!/bin/sh
# Makes cmd/asteri-loop/default.pgo, by which the compiler knows where the server
# spends its time: the server is loaded in the ways that matter most, and profiled.
# Needs wrk, ab and h2load, and the environment of bench/deps.sh for the applications.
# The profile need not be of the very code that is built; make it anew when much of
# what a request passes through has changed.
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh

seconds=20
venv=$PWD/bench/.peers/venv
pipeline=$PWD/bench/peers/wrk.lua
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT INT TERM

go build -pgo=off -tags profile -o "$work/asteri-loop" ./cmd/asteri-loop
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
	-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
head -c 10240 /dev/urandom >"$work/10k"

# profile NAME LOAD ARGUMENTS...: profiles a server under a load, in which AT stands for
# where it is.
profile() {
	name=$1 load=$2
	shift 2
	echo "pgo: $name" >&2
	: >"$work/$name.log"
	(cd bench/peers/apps && exec env ASTERI_CPU_PROFILE="$work/$name.prof" ASTERI_CPU_PROFILE_TIME="${seconds}s" \
		"$work/asteri-loop" -b 127.0.0.1:0 --log-level info --python "$venv" "$@" >"$work/$name.log" 2>&1) &
	server=$!
	await "$work/$name.log"
	$(echo "$load" | sed "s#AT/#$address/#") >"$work/load.log" 2>&1 || { cat "$work/load.log" >&2; exit 1; }
	finish
	[ -s "$work/$name.prof" ] || { echo "pgo: $name: no profile" >&2; exit 1; }
}

wrk="wrk -t1 -c64 -d$((seconds + 1))s"
h2load="h2load -t1 -c16 -m32 -D$((seconds + 1))"
tls="--certfile $work/cert.pem --keyfile $work/key.pem"

profile go "$wrk http://AT/plaintext" -w tornado
profile go-pipelined "$wrk -s $pipeline http://AT/plaintext -- 16" -w tornado
profile go-close "ab -q -c50 -t$((seconds + 1)) -n10000000 http://AT/plaintext" -w tornado
profile go-tls "$wrk https://AT/plaintext" -w tornado $tls
profile go-observed "$wrk http://AT/plaintext" -w tornado --access-logfile /dev/null
profile h2 "$h2load http://AT/plaintext" -w tornado
profile h2-tls "$h2load https://AT/plaintext" -w tornado $tls
profile wsgi "$wrk http://AT/" -w gthread:2 --threads 4 hello:wsgi
profile asgi "$wrk http://AT/" -w asgi:2 hello:asgi
profile asgi-h2 "$h2load https://AT/" -w asgi:2 $tls hello:asgi
profile static "$wrk http://AT/f/10k" -w tornado --static "/f=$work"

go tool pprof -proto "$work"/*.prof >cmd/asteri-loop/default.pgo 2>/dev/null
ls -l cmd/asteri-loop/default.pgo >&2
