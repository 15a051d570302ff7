package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/bench/proctree"
)

const (
	memoryEvery = 50 * time.Millisecond
	statusEvery = 200 * time.Millisecond
	statusLimit = time.Second
	// tooMuch is the growth at which an attack is ended for the sake of the machine.
	tooMuch = 4 << 30
)

// memory watches the resident memory of a server: of the front, or of all processes
// of a server that has no other.
type memory struct {
	pid   int
	whole bool
	now   int64
	most  int64
	gone  bool
	mu    sync.Mutex
}

// processes are those that count.
func (m *memory) processes() []int {
	if !m.whole {
		return []int{m.pid}
	}
	tree, err := proctree.Tree(m.pid)
	if err != nil {
		return nil
	}
	pids := make([]int, len(tree))
	for i, p := range tree {
		pids[i] = p.PID
	}
	return pids
}

// begin forgets the peaks so far and returns what there is now.
func (m *memory) begin() (int64, error) {
	for _, pid := range m.processes() {
		if err := proctree.ResetPeak(pid); err != nil {
			return 0, fmt.Errorf("resetting the peak: %w", err)
		}
	}
	m.look()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = m.now
	return m.now, nil
}

// look reads the memory once. The kernel's peak knows what was between two looks.
func (m *memory) look() {
	var now, peak int64
	for _, pid := range m.processes() {
		n, p, err := proctree.Resident(pid)
		if err != nil {
			continue // it has ended
		}
		now, peak = now+n, peak+p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.most, m.gone = now, max(m.most, peak), now == 0
}

// peak is the most since begin.
func (m *memory) peak() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most
}

// run looks every 50 ms, and calls stop when the server has ended or has grown
// by more than it may.
func (m *memory) run(ctx context.Context, rest int64, stop context.CancelCauseFunc) {
	for next := time.Now(); until(ctx, next); next = next.Add(memoryEvery) {
		m.look()
		m.mu.Lock()
		grown, gone := m.now-rest, m.gone
		m.mu.Unlock()
		switch {
		case gone:
			stop(errEnded)
		case grown > tooMuch:
			stop(errTooMuch)
		}
	}
}

// buffers reads from the status document what the server says that its buffers hold.
type buffers struct {
	url  string // "" where there is no such thing
	mu   sync.Mutex
	now  int64
	most int64
	read time.Time // when now was; zero before the first
}

func (b *buffers) run(ctx context.Context) {
	if b.url == "" {
		return
	}
	client := &http.Client{Timeout: statusLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	for next := time.Now(); until(ctx, next); next = next.Add(statusEvery) {
		n, err := bufferBytes(ctx, client, b.url)
		if err != nil {
			continue // now grows old, which those who ask see
		}
		b.mu.Lock()
		b.now, b.most, b.read = n, max(b.most, n), time.Now()
		b.mu.Unlock()
	}
}

func bufferBytes(ctx context.Context, client *http.Client, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var doc struct {
		BufferBytes *int64 `json:"buffer_bytes"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return 0, err
	}
	if doc.BufferBytes == nil {
		return 0, fmt.Errorf("%s: no buffer_bytes, status %s", url, resp.Status)
	}
	return *doc.BufferBytes, nil
}

// above returns what is wrong if buffers hold more than limit, or do not say.
func (b *buffers) above(limit int64) string {
	if b.url == "" {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case time.Since(b.read) > statusLimit:
		return "the status document"
	case b.now > limit:
		return "buffer_bytes"
	}
	return ""
}

// peak returns the most that was read, and forgets it.
func (b *buffers) peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	most := b.most
	b.most = 0
	return most
}
