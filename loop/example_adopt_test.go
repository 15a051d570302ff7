package loop_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/loop"
)

// heartbeat says something after each interval of silence.
type heartbeat struct {
	repeaterSession
	left int
}

const beat loop.Timer = 0

func (h *heartbeat) OnTimer(loop.Timer) {
	h.conn.Write([]byte("beat "))
	if h.left--; h.left == 0 {
		h.conn.CloseWhenFlushed(false)
		return
	}
	h.conn.SetTimer(beat, time.Millisecond)
}

// A socket of one's own on a loop, with a timer: the loop owns the descriptor from now on,
// and calls the session.
func ExampleLoop_Adopt() {
	engine, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	engine.Start()
	defer engine.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = engine.Loops()[0].Adopt(fds[0], func(c loop.Conn) loop.Session {
		c.SetTimer(beat, time.Millisecond)
		return &heartbeat{repeaterSession{c}, 3}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ours := os.NewFile(uintptr(fds[1]), "peer")
	defer ours.Close()
	var heard []byte
	for buf := make([]byte, 64); len(heard) < len("beat beat beat "); {
		n, err := ours.Read(buf)
		if err != nil {
			fmt.Println(err)
			return
		}
		heard = append(heard, buf[:n]...)
	}
	fmt.Printf("%s\n", heard)
	// Output: beat beat beat
}

// A protocol inside TLS. The function is asked for each handshake, so that certificates
// can be replaced.
func ExampleEngine_ListenWith_tls() {
	engine, err := loop.New(loop.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	certificate, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		fmt.Println("no certificate")
		return
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"repeater"}}
	_, err = engine.ListenWith(loop.ListenConfig{
		Addr: ":8443", Protocols: []loop.Protocol{repeater{}}, TLS: func() *tls.Config { return config },
	})
	fmt.Println(err)
	// Output: no certificate
}
