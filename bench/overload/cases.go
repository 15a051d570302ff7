package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop/bench/overload/attack"
)

// overloadCase is an attack on one server.
type overloadCase struct {
	attack string // the id, which cases of other servers share
	title  string
	server string        // see servers.go
	plans  []attack.Plan // a process each
	// What the server has to speak, and honest clients speak too.
	tls, sockets bool
	// descriptors are how many files the server may have open; 0 is as many as the
	// system lets it.
	descriptors int
	args        []string // further settings of ours
}

// large is the response that attackers ask for and do not read.
const large = "/bytes/1000000"

const (
	byHundreds  = 500  // connections a second: the attack stands soon
	byThousands = 2000 // for each of two processes
)

// descriptors is the limit of the attack on it.
const descriptors = 20_000

func crowd(kind, path string, connections, streams int) []attack.Plan {
	return []attack.Plan{{Kind: kind, Path: path, Connections: connections, Streams: streams, PerSecond: byHundreds}}
}

// cases are run in this order. Those of a Python application ask for as much as its
// queue takes: what is beyond it is refused, and holds nothing.
var cases = []overloadCase{
	{attack: "h2-zero-window", title: "200 HTTP/2 connections with a zero window, 100 responses of 1 MB each", server: "go",
		plans: crowd("zero-window", large, 200, 100)},
	{attack: "h2-zero-window", title: "200 HTTP/2 connections with a zero window, 4 responses of 1 MB each", server: "wsgi",
		plans: crowd("zero-window", large, 200, 4)},
	{attack: "h1-stalled", title: "400 HTTP/1 clients that do not read a response of 1 MB", server: "go",
		plans: crowd("stalled-reader", large, 400, 0)},
	{attack: "h1-stalled", title: "400 HTTP/1 clients that do not read a response of 1 MB", server: "wsgi",
		plans: crowd("stalled-reader", large, 400, 0)},
	{attack: "uploads", title: "350 uploads of 261 kB that lack their last byte", server: "wsgi",
		plans: crowd("held-upload", "/echo", 350, 0)},
	{attack: "uploads-slow", title: "350 uploads of 261 kB to an application beside, with 4 threads and 2 s for each", server: "wsgi",
		plans: crowd("whole-upload", "/slow", 350, 0),
		args:  []string{"--mount", "/slow=overload:wsgi,worker-class=gthread,workers=1,threads=4"}},
	{attack: "ws-inflate", title: "100 WebSockets that send 16 kB which inflate to 16 MiB, again and again", server: "asgi",
		plans: crowd("inflate", "/ws", 100, 0), sockets: true},
	{attack: "ws-inflate-open", title: "100 WebSockets whose such message never ends", server: "asgi",
		plans: crowd("inflate-open", "/ws", 100, 0), sockets: true},
	{attack: "ws-unfinished", title: "100 WebSockets that send 16 MiB of a message, in fragments, and no end", server: "asgi",
		plans: crowd("unfinished", "/ws", 100, 0), sockets: true},
	{attack: "h3-stalled", title: "50 HTTP/3 connections that do not read, 100 responses of 1 MB each", server: "go",
		plans: crowd("quic-stalled", large, 50, 100), tls: true},
	{attack: "h3-stalled", title: "50 HTTP/3 connections that do not read, 10 responses of 1 MB each", server: "wsgi",
		plans: crowd("quic-stalled", large, 50, 10), tls: true},
	connections("wsgi", "--keep-alive", "75"),

	{attack: "h2-zero-window", title: "200 HTTP/2 connections with a zero window, 100 responses of 1 MB each", server: "nginx",
		plans: crowd("zero-window", large, 200, 100)},
	{attack: "h1-stalled", title: "400 HTTP/1 clients that do not read a response of 1 MB", server: "nginx",
		plans: crowd("stalled-reader", large, 400, 0)},
	{attack: "uploads", title: "350 uploads of 261 kB that lack their last byte", server: "nginx",
		plans: crowd("held-upload", "/echo", 350, 0)},
	connections("nginx"),
}

// connections is the attack on the limit of descriptors: by two processes, since an
// attacker has such a limit, too.
func connections(server string, args ...string) overloadCase {
	half := attack.Plan{Path: "/bytes/13", Connections: descriptors / 2, PerSecond: byThousands}
	silent, asked := half, half
	silent.Kind, asked.Kind = "silent", "asked"
	return overloadCase{
		attack: "connections", title: "20,000 connections at a limit of 20,000 descriptors, half of them silent, half idle after a request",
		server: server, plans: []attack.Plan{silent, asked}, descriptors: descriptors, args: args,
	}
}

// within scales the attack on descriptors to what the system grants.
func (c overloadCase) within(limit int) overloadCase {
	if c.descriptors <= limit {
		return c
	}
	c.plans = slices.Clone(c.plans)
	for i := range c.plans {
		c.plans[i].Connections = limit / len(c.plans)
	}
	c.title = fmt.Sprintf("%s (here %d and %d, the system's limit)", c.title, limit, limit)
	c.descriptors = limit
	return c
}

// choose returns the cases with these attacks and servers; "" is all.
func choose(attacks, servers string) ([]overloadCase, error) {
	chosen, err := keep(cases, attacks, func(c overloadCase) string { return c.attack })
	if err != nil {
		return nil, err
	}
	return keep(chosen, servers, func(c overloadCase) string { return c.server })
}

// keep returns the cases whose word is in a list; "" is all.
func keep(from []overloadCase, list string, word func(overloadCase) string) ([]overloadCase, error) {
	if list == "" {
		return from, nil
	}
	wanted := strings.Split(list, ",")
	for _, w := range wanted {
		if !slices.ContainsFunc(from, func(c overloadCase) bool { return word(c) == w }) {
			return nil, fmt.Errorf("%q is in no case; -list names them", w)
		}
	}
	return slices.DeleteFunc(slices.Clone(from), func(c overloadCase) bool { return !slices.Contains(wanted, word(c)) }), nil
}
