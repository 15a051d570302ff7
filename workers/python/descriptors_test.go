//go:build unix

package python

import (
	"os"
	"testing"
)

// descriptorsHeld is how many descriptors this process has.
func descriptorsHeld(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
