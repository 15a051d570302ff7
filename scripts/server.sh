# For scripts that load a server: . scripts/server.sh

# await LOG: waits until the server $server, whose log at level info that is, runs, and
# sets address to where.
await() {
	tries=150
	until address=$(sed -n 's#.*https\{0,1\}://\(127.0.0.1:[0-9]*\).*#\1#p' "$1" | head -n 1) && [ -n "$address" ] && grep -q Running "$1"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && kill -0 "$server" 2>/dev/null || { cat "$1" >&2; exit 1; }
		sleep 0.2
	done
}

# finish: ends the server.
finish() {
	kill "$server"
	wait "$server" || true
	server=
}
