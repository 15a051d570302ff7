package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The page that explains the folders names each of them, so that a newcomer finds
// what a folder is for.
func TestRoomsAreDescribed(t *testing.T) {
	top, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(top, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rooms, _ := strings.Cut(string(page), "\n## Rooms\n")
	rooms, _, _ = strings.Cut(rooms, "\n## ")
	var undescribed []string
	for _, f := range load(t).files {
		room := roomOf(f.dir)
		if room != root && !strings.Contains(rooms, "`"+room+"`") && !strings.Contains(rooms, "`"+room+"/`") {
			undescribed = append(undescribed, f.dir)
		}
	}
	slices.Sort(undescribed)
	for _, dir := range slices.Compact(undescribed) {
		t.Errorf("docs/architecture.md does not say under Rooms what %s is", dir)
	}
}

// roomOf returns what the page calls the room of a folder: leaves of internal, and the
// rooms of the Python pool, have tables of their own, and a command is in cmd.
func roomOf(dir string) string {
	if room, ok := strings.CutPrefix(dir, "workers/python/internal/"); ok {
		return room
	}
	first, rest, _ := strings.Cut(dir, "/")
	second, _, _ := strings.Cut(rest, "/")
	switch first {
	case "internal":
		return second
	case "cmd":
		return "cmd/" + second
	}
	return first
}
