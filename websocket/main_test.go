package websocket

import (
	"fmt"
	"os"
	"testing"

	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// TestMain checks that every announcement of goroutine work was taken back.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && jobs.Outstanding() {
		fmt.Fprintln(os.Stderr, "work was announced to the loops and never ended")
		code = 1
	}
	os.Exit(code)
}
