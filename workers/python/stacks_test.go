package python

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Workers say where they are while they are busy, to all who ask.
func TestStacks(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 1})
	pid := s.pool.Snapshot().Workers[0].PID
	type outcome struct {
		stacks map[string]string
		err    error
	}
	outcomes := make(chan outcome, 3)
	for range cap(outcomes) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			stacks, err := s.pool.Stacks(ctx, pid)
			outcomes <- outcome{stacks, err}
		}()
	}
	for range cap(outcomes) {
		if got := <-outcomes; got.err != nil || len(got.stacks) == 0 {
			t.Errorf("%v, %v", got.stacks, got.err)
		}
	}
	if _, err := s.pool.Stacks(context.Background(), 1); !errors.Is(err, ErrNoWorker) {
		t.Errorf("a stranger's process: %v", err)
	}
}

func TestRestartOne(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 2})
	pids := func() (all []int) {
		for _, w := range s.pool.Snapshot().Workers {
			if w.State == "IDLE" {
				all = append(all, w.PID)
			}
		}
		return all
	}
	eventually(t, "both workers are ready", func() bool { return len(pids()) == 2 })
	before := pids()
	if err := s.pool.Restart(before[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another worker has taken its place", func() bool {
		now := pids()
		return len(now) == 2 && now[0] == before[1] && now[1] != before[0]
	})
	eventually(t, "it is gone", func() bool { return errors.Is(s.pool.Restart(before[0]), ErrNoWorker) })
}

// A worker that is killed is replaced, and its request goes to another.
func TestKillWorker(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 1})
	path, open := s.gate()
	running := s.async("GET", path)
	s.hasBegun(path)
	victim := s.pool.Snapshot().Workers[0].PID
	if err := s.pool.KillWorker(victim); err != nil {
		t.Fatal(err)
	}
	open()
	s.expect(s.wait(running), 200, "passed")
	eventually(t, "it is gone", func() bool { return errors.Is(s.pool.KillWorker(victim), ErrNoWorker) })
	if err := s.pool.KillWorker(1); !errors.Is(err, ErrNoWorker) {
		t.Errorf("a stranger's process: %v", err)
	}
}
