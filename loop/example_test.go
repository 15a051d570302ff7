package loop_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"

	"github.com/asteri/asteri-loop/loop"
)

// repeater is a protocol that sends back what it receives.
type repeater struct{}

func (repeater) Name() string                        { return "repeater" }
func (repeater) Match(string, []byte) loop.Verdict   { return loop.Yes }
func (repeater) NewSession(c loop.Conn) loop.Session { return &repeaterSession{conn: c} }

// repeaterSession is one connection. All its methods run on its loop.
type repeaterSession struct{ conn loop.Conn }

func (s *repeaterSession) OnData(in []byte) (int, error) {
	s.conn.Write(in)
	if s.conn.Congested() { // by a client that does not read itself
		s.conn.PauseRead() // OnDrain will follow
	}
	return len(in), nil
}

func (s *repeaterSession) OnDrain()           { s.conn.ResumeRead() }
func (s *repeaterSession) OnEOF()             { s.conn.CloseWhenFlushed(false) }
func (s *repeaterSession) OnShutdown()        { s.conn.CloseWhenFlushed(true) }
func (s *repeaterSession) OnTimer(loop.Timer) {}
func (s *repeaterSession) OnClose(error)      {}

// A protocol of one's own: the loops call its sessions, and nothing else runs.
func Example() {
	engine, err := loop.New(loop.Config{})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := engine.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{repeater{}}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- engine.Run(ctx) }()

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(conn, "hello")
	line, err := bufio.NewReader(conn).ReadString('\n')
	fmt.Print(line)
	conn.Close()

	stop() // Run finishes what has begun
	fmt.Println(err, <-stopped)
	// Output:
	// hello
	// <nil> <nil>
}
