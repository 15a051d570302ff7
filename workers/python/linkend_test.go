package python

import (
	"fmt"
	"strings"
	"testing"
)

// A request that kills workers kills one if it is alone there, and two if it is not, since
// nobody knows then which one it was; those beside it are answered all the same. The log
// names them.
func TestPoison(t *testing.T) {
	for _, app := range []string{"ok", "stream"} {
		t.Run(app, func(t *testing.T) {
			bothLoops(t, func(t *testing.T, loops int) {
				s := serveFake(t, loops, Config{App: app, Workers: 2})
				eventually(t, "two workers", func() bool { return s.count("IDLE") == 2 })
				path, open := s.gate()
				poison := s.async("GET", "/crash"+strings.TrimPrefix(path, "/gate"))
				s.waitFor("BUSY")
				otherPath, openOther := s.gate()
				other := s.async("GET", otherPath)
				eventually(t, "both are busy", func() bool { return s.count("BUSY") == 2 })
				s.giveCredit()
				var beside []<-chan clientReply
				for i := range 10 {
					beside = append(beside, s.async("GET", fmt.Sprintf("/say?%d", i)))
				}
				eventually(t, "they wait in the links", func() bool { return s.inFlight() == 12 })
				open()
				for i, c := range beside {
					s.expect(s.wait(c), 200, fmt.Sprint(i))
				}
				s.expect(s.wait(poison), 502, "")
				openOther()
				s.expect(s.wait(other), 200, "passed")
				eventually(t, "two workers again", func() bool { return s.count("IDLE") == 2 })
				if n := s.pool.Snapshot().Exits["crashed"]; n != 2 {
					t.Errorf("%d workers died", n)
				}
				died := s.deaths()
				if len(died) != 2 || !strings.Contains(died[0], "GET /crash age=") || !strings.Contains(died[0], "GET /say") ||
					!strings.Contains(died[1], "method=GET path=/crash age=") {
					t.Errorf("the log says of the deaths:\n%s", strings.Join(died, "\n"))
				}
			})
		})
	}
}

// deaths returns what the log says of workers that died.
func (s *server) deaths() (records []string) {
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "worker died") {
			records = append(records, line)
		}
	}
	return records
}

func TestNoRetry(t *testing.T) {
	s := serveFake(t, 1, Config{Workers: 2, NoRetry: true})
	s.expect(s.get("/killed"), 502, "")
	if n := s.pool.Snapshot().Retried; n != 0 {
		t.Errorf("retried %d times", n)
	}
	eventually(t, "the death is recorded", func() bool { return len(s.deaths()) == 1 })
	if died := s.deaths()[0]; !strings.Contains(died, "requests=\"GET /killed age=") {
		t.Errorf("the log says %s", died)
	}
}
