// Package load drives load generators (wrk, ab, h2load, and two of our own for
// WebSocket and HTTP/3) and reads what they say.
package load

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// slack is how much longer than asked a generator may run before it is killed.
const slack = 15 * time.Second

// Protocol is what a load is spoken in.
type Protocol string

// The protocols. Only HTTP2 is spoken both plain (by prior knowledge) and over TLS.
const (
	HTTP1     Protocol = ""
	HTTP2     Protocol = "h2"
	HTTP3     Protocol = "h3"
	WebSocket Protocol = "websocket" // a text message and its echo are one request
)

// Spec describes a load.
type Spec struct {
	Protocol    Protocol `json:"protocol,omitempty"`
	Connections int      `json:"connections"`
	Streams     int      `json:"streams,omitempty"`  // requests at a time on a connection, for HTTP2 and HTTP3
	Pipeline    int      `json:"pipeline,omitempty"` // requests sent in one go; 0 or 1: none
	Close       bool     `json:"close,omitempty"`    // a connection for each request, HTTP/1.0, by ab
	TLS         bool     `json:"tls,omitempty"`      // a server of its own; keep-alive only
	Fields      []string `json:"fields,omitempty"`   // further request fields, "Name: value"
}

// String says the load in words.
func (s Spec) String() string {
	text := plural(s.Connections, "connection")
	switch {
	case s.Protocol == WebSocket:
		text += ", each an echo of " + strconv.Itoa(len(Message)) + " bytes at a time"
	case s.Protocol != HTTP1:
		text += ", " + plural(s.Streams, "stream") + " each, " + string(s.Protocol)
	case s.Close:
		text += ", closed after each request"
	case s.Pipeline > 1:
		text += fmt.Sprintf(", pipelined x%d", s.Pipeline)
	default:
		text += ", keep-alive"
	}
	if s.TLS {
		text += ", TLS"
	}
	if len(s.Fields) > 0 {
		text += ", " + plural(len(s.Fields), "request field") + " added"
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Result is what a client counted.
type Result struct {
	Good    int64         // complete responses of status 2xx
	Bad     int64         // other responses, failed connections, time-outs
	Elapsed time.Duration // by the client's clock
	P50     time.Duration // median latency; 0 where it means nothing
	P99     time.Duration
	CPU     time.Duration // what the client itself spent
}

// Generator runs loads.
type Generator struct {
	Script string // path of wrk.lua
	Bin    string // folder of our own programs
}

// Run loads url for about d and returns what the client counted. Errors that
// only some requests met are in Result.Bad; the error is for a generator that
// could not run or was not understood.
func (g Generator) Run(ctx context.Context, s Spec, url string, d time.Duration) (Result, error) {
	argv, parse := g.command(s, url, d)
	ctx, cancel := context.WithTimeout(ctx, d+slack)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return Result{}, fmt.Errorf("%s: %w: %s", argv[0], err, tail(errs.Bytes()))
	}
	res, err := parse(out.Bytes())
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w: %s", argv[0], err, tail(out.Bytes()))
	}
	if s.Pipeline > 1 {
		res.P50, res.P99 = 0, 0 // wrk does not tell the requests of a batch apart
	}
	res.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return res, nil
}

// command returns what runs the load, and what reads its output.
func (g Generator) command(s Spec, url string, d time.Duration) ([]string, func([]byte) (Result, error)) {
	switch {
	case s.Protocol == HTTP2:
		return h2load(s, url, d), parseH2load
	case s.Protocol == HTTP3:
		return g.own("h3load", s, url, d), parseSummary
	case s.Protocol == WebSocket:
		return g.own("wsload", s, url, d), parseSummary
	case s.Close:
		return ab(s, url, d), parseAB
	}
	return g.wrk(s, url, d), parseSummary
}

// tail returns the end of what a program printed, for an error message.
func tail(b []byte) []byte {
	const most = 400
	b = bytes.TrimSpace(b)
	return b[max(0, len(b)-most):]
}
