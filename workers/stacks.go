package workers

import (
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"time"
)

// stackBytes bounds the stacks that are looked through, stacksEvery how often
// they are taken: that stops all goroutines for a moment.
const (
	stackBytes  = 4 << 20
	stacksEvery = time.Second
)

// dump is what runtime.Stack writes of all goroutines, with an empty line between
// two.
type dump string

func takeStacks() dump {
	buf := make([]byte, stackBytes)
	return dump(buf[:runtime.Stack(buf, true)])
}

// stacks take dumps for calls that are late, of which there may be many.
type stacks struct {
	mu    sync.Mutex
	taken time.Time
}

// take returns the stacks, or nothing if they were taken shortly before.
func (s *stacks) take() dump {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.taken) < stacksEvery {
		return ""
	}
	s.taken = now
	return takeStacks()
}

// call returns the stack of the goroutine that works for c, or "" if it is not to
// be found.
func (d dump) call(c *Call) string {
	for _, method := range []string{"(*Call).runGuarded", "(*Call).run"} {
		if stack := d.method(method, c); stack != "" {
			return stack
		}
	}
	return ""
}

// method returns the stack that has a method of the object at p in it. A stack
// shows the receiver of a method that was not inlined and needs it once more
// after the call that it is in.
func (d dump) method(name string, p any) string {
	frame := fmt.Sprintf(".%s(%p", name, p)
	for one := range d.goroutines() {
		if strings.Contains(one, frame) {
			return one
		}
	}
	return ""
}

func (d dump) goroutines() iter.Seq[string] { return strings.SplitSeq(string(d), "\n\n") }
