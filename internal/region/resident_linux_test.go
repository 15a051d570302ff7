package region

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// resident returns how many bytes of memory the mapping around b takes.
func resident(t *testing.T, b []byte) (bytes int) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip("no smaps: ", err)
	}
	defer f.Close()
	at := uintptr(unsafe.Pointer(&b[:1][0]))
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= at && at < to
		}
		if inside && strings.HasPrefix(line, "Rss:") {
			var kib int
			if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no mapping")
	return 0
}
