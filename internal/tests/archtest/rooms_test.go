package archtest

import (
	"slices"
	"strings"
	"testing"
)

// The page that explains the folders names each of them, so that a newcomer finds
// what a folder is for.
func TestRoomsAreDescribed(t *testing.T) {
	_, rooms, _ := strings.Cut(readPage(t), "\n## Rooms\n")
	rooms, _, _ = strings.Cut(rooms, "\n## ")
	var undescribed []string
	for _, f := range load(t).files {
		for _, room := range roomsOf(f.dir) {
			if !strings.Contains(rooms, "`"+room+"`") && !strings.Contains(rooms, "`"+room+"/`") {
				undescribed = append(undescribed, f.dir)
			}
		}
	}
	slices.Sort(undescribed)
	for _, dir := range slices.Compact(undescribed) {
		t.Errorf("docs/architecture.md does not say under Rooms what %s is", dir)
	}
}

// roomsOf returns what the page calls the rooms in which a folder is: a top-level folder
// or a command, and each folder below any that is named internal.
func roomsOf(dir string) (rooms []string) {
	outer, inner, _ := strings.Cut("/"+dir+"/", "/internal/")
	first, rest, _ := strings.Cut(strings.Trim(outer, "/"), "/")
	switch first {
	case "", root:
	case "cmd":
		second, _, _ := strings.Cut(rest, "/")
		rooms = append(rooms, "cmd/"+second)
	default:
		rooms = append(rooms, first)
	}
	for _, name := range strings.Split(strings.Trim(inner, "/"), "/") {
		if name != "" {
			rooms = append(rooms, name)
		}
	}
	return rooms
}
