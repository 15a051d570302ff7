// Command gnet is a peer of the comparison: the event-loop library gnet giving
// one fixed answer to each request head. It looks for the ends of heads and
// parses nothing, so it shows what the library alone costs.
package main

import (
	"bytes"
	"flag"
	"log"

	"github.com/panjf2000/gnet/v2"
)

var (
	endOfHead = []byte("\r\n\r\n")
	oldMinor  = []byte(" HTTP/1.0\r\n")
	answer    = []byte("HTTP/1.1 200 OK\r\n" +
		"Server: gnet\r\n" +
		"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" +
		"Content-Type: text/plain\r\n" +
		"Content-Length: 13\r\n\r\n" +
		"Hello, World!")
)

type server struct {
	gnet.BuiltinEventEngine
	batch []byte // answers of one read; shared, so grown once before the start
}

// OnTraffic answers every whole head that has arrived with one write, and
// closes after a request of HTTP/1.0.
func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	in, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	heads, used := 0, 0
	for len(answer)*(heads+1) <= len(s.batch) {
		end := bytes.Index(in[used:], endOfHead)
		if end < 0 {
			break
		}
		heads++
		used += end + len(endOfHead)
	}
	if heads == 0 {
		return gnet.None
	}
	last := bytes.Contains(in[:used], oldMinor)
	if _, err := c.Discard(used); err != nil {
		return gnet.Close
	}
	if _, err := c.Write(s.batch[:len(answer)*heads]); err != nil || last {
		return gnet.Close
	}
	return gnet.None
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	// 1024 answers are more than a read buffer holds heads; the batch is
	// only read from then on.
	s := &server{batch: bytes.Repeat(answer, 1024)}
	if err := gnet.Run(s, "tcp://"+*addr, gnet.WithMulticore(true), gnet.WithReusePort(true)); err != nil {
		log.Fatal(err)
	}
}
