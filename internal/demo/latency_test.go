package demo

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
)

// TestSleepKeepsItsLatency keeps all loops busy with /plaintext, and looks at how
// late /sleep/1 is. Without the loops yielding to other goroutines, timers and
// workers wait for the runtime's preemption again and again. The bound is far
// above what is measured, and the clients share the processors with the server.
func TestSleepKeepsItsLatency(t *testing.T) {
	const bound = 200 * time.Millisecond
	for _, model := range models {
		t.Run(model, func(t *testing.T) {
			eng, err := loop.New(loop.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer eng.Close()
			ln, err := eng.ListenWith(loop.ListenConfig{
				Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(newDemo(t, model))},
			})
			if err != nil {
				t.Fatal(err)
			}
			eng.Start()
			addr := ln.Addr().String()
			stop := saturate(t, addr, 4*len(eng.Loops()))
			late := sleepLatencies(t, addr, 100)
			served := stop()
			p50, p99 := late[len(late)/2], late[len(late)*99/100]
			t.Logf("/sleep/1 took p50 %v, p99 %v beside %d of /plaintext", p50, p99, served)
			if p99 > bound {
				t.Errorf("p99 of /sleep/1 is %v", p99)
			}
		})
	}
}

// sleepLatencies returns how long so many requests for /sleep/1 took, in order.
func sleepLatencies(t *testing.T, addr string, n int) []time.Duration {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	took := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		res, err := client.Get("http://" + addr + "/sleep/1")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took
}

// saturate keeps so many connections full of pipelined requests. stop ends that
// and returns how many were answered.
func saturate(t *testing.T, addr string, conns int) (stop func() (served int)) {
	t.Helper()
	const batch = 64
	requests := bytes.Repeat([]byte("GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"), batch)
	var mu sync.Mutex
	var done bool
	total := 0
	var running sync.WaitGroup
	for range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			defer conn.Close()
			answers := bufio.NewReaderSize(conn, 64<<10)
			for {
				mu.Lock()
				over := done
				mu.Unlock()
				if over {
					return
				}
				if _, err := conn.Write(requests); err != nil {
					t.Error(err)
					return
				}
				for range batch {
					if err := skipAnswer(answers); err != nil {
						t.Error(err)
						return
					}
				}
				mu.Lock()
				total += batch
				mu.Unlock()
			}
		})
	}
	return func() int {
		mu.Lock()
		done = true
		mu.Unlock()
		running.Wait()
		return total
	}
}

// skipAnswer reads one answer of /plaintext, cheaply.
func skipAnswer(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err = r.Discard(len("Hello, World!"))
			return err
		}
	}
}
