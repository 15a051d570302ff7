//go:build unix

package wiretest

import (
	"os"
	"testing"
)

// DescriptorsHeld is how many descriptors this process has.
func DescriptorsHeld(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
