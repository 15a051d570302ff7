package demo

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// TestMain checks that every announcement of goroutine work was taken back:
// otherwise loops would yield for ever.
func TestMain(m *testing.M) {
	code := m.Run()
	for end := time.Now().Add(10 * time.Second); jobs.Outstanding() && code == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, "goroutine work is still announced after the tests")
			code = 1
		}
	}
	os.Exit(code)
}
