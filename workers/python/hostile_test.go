package python

import (
	"context"
	"maps"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// What a worker that was taken over can do to the front: nothing but to end. Bounds are
// checked by what the front allocates in all, and by the descriptors that it holds: there
// is no clock that decides.

// mistakes are those attacks that an application could bring about, by a response that is
// too large: it is refused, and its worker goes on.
var mistakes = map[string]bool{
	"answer with fields repeated": true, "START with fields repeated": true, "TRAILERS with fields repeated": true,
	"INFORM with fields repeated": true, "INFORM without number": true,
}

func TestHostileWorkers(t *testing.T) {
	attacks := slices.Sorted(maps.Keys(wiretest.HostileLink(1)))
	attacks = append(attacks, slices.Sorted(maps.Keys(wiretest.HostileControl(1)))...)
	attacks = append(attacks, hostileDescriptors...)
	s := serveFake(t, 3, Config{}) // what comes is posted from loop to loop, mostly
	for _, what := range attacks {
		t.Run(what, func(t *testing.T) {
			if mistakes[what] {
				s.refusesMistake(t, what)
			} else {
				s.endsHostile(t, what)
			}
		})
	}
}

// attack has a worker do its worst, and bounds what comes of it.
func (s *server) attack(t *testing.T, what string) clientReply {
	t.Helper()
	held := wiretest.DescriptorsHeld(t)
	before := allocated()
	r := s.do("POST", "/hostile?"+url.QueryEscape(what), nil)
	eventually(t, "a worker that serves after "+what, func() bool { _, ok := s.worker("IDLE"); return ok && s.count("KILLED") == 0 })
	const most = 100 << 20 // several times the largest attack, and the program of a new worker
	if n := allocated() - before; n > most {
		t.Errorf("the front has allocated %d MiB", n>>20)
	}
	eventually(t, "as few descriptors as before", func() bool { return wiretest.DescriptorsHeld(t) <= held })
	return r
}

func (s *server) endsHostile(t *testing.T, what string) {
	t.Helper()
	pid, breaches := s.pool.Snapshot().Workers[0].PID, s.pool.Snapshot().Exits["protocol_violation"]
	if r := s.attack(t, what); r.err == nil && r.status < 500 && !strings.Contains(what, "after") && !strings.Contains(what, "an end") {
		t.Errorf("got %d, %d bytes", r.status, len(r.body))
	}
	eventually(t, "the worker is ended, and another there", func() bool {
		w, ok := s.worker("IDLE")
		return ok && w.PID != pid && s.pool.Snapshot().Exits["protocol_violation"] == breaches+1
	})
}

func (s *server) refusesMistake(t *testing.T, what string) {
	t.Helper()
	breaches := s.pool.Snapshot().Exits["protocol_violation"]
	hang, _ := s.worker("IDLE", "BUSY")
	held := wiretest.DescriptorsHeld(t)
	before := allocated()
	r := s.do("POST", "/hostile?"+url.QueryEscape(what), nil)
	switch {
	case strings.HasPrefix(what, "TRAILERS") && r.err == nil:
		t.Errorf("the response has ended as if it were whole: %d", r.status)
	case !strings.HasPrefix(what, "TRAILERS") && (r.status != 500 || r.err != nil):
		t.Errorf("got %d, %v", r.status, r.err)
	}
	if n := allocated() - before; n > 100<<20 {
		t.Errorf("the front has allocated %d MiB", n>>20)
	}
	if n := s.pool.Snapshot().Exits["protocol_violation"]; n != breaches {
		t.Error("the worker was ended for its application's mistake")
	}
	proc, err := os.FindProcess(hang.PID) // it sleeps
	if err != nil {
		t.Fatal(err)
	}
	_ = proc.Kill()
	eventually(t, "another worker", func() bool { w, ok := s.worker("IDLE"); return ok && w.PID != hang.PID })
	eventually(t, "as few descriptors as before", func() bool { return wiretest.DescriptorsHeld(t) <= held })
}

// TestHostileStacks: somebody asks where a worker is that lies.
func TestHostileStacks(t *testing.T) {
	s := serveFake(t, 1, Config{})
	s.expect(s.get("/hostile?stacks"), 200, "ready")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	before := allocated()
	go func() {
		eventually(t, "the worker is ended", func() bool { return s.pool.Snapshot().Exits["protocol_violation"] == 1 })
		cancel()
	}()
	if stacks, err := s.pool.Stacks(ctx, s.pool.Snapshot().Workers[0].PID); err == nil {
		t.Errorf("there are %d stacks", len(stacks))
	}
	if n := allocated() - before; n > 100<<20 {
		t.Errorf("the front has allocated %d MiB", n>>20)
	}
}

// TestRetireWithoutNumber: it is heard once.
func TestRetireWithoutNumber(t *testing.T) {
	s := serveFake(t, 2, Config{})
	before := allocated()
	s.expect(s.get("/hostile?"+url.QueryEscape("RETIRE without number")), 200, "retired")
	eventually(t, "the worker is relieved", func() bool { return s.pool.Snapshot().Started == 2 && s.count("IDLE") == 1 })
	if n := allocated() - before; n > 50<<20 {
		t.Errorf("the front has allocated %d MiB", n>>20)
	}
}

// allocated is how much memory this process has ever asked for, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
