package httpfield

import (
	"testing"

	"github.com/asteri/asteri-loop"
)

func TestHasItem(t *testing.T) {
	for list, want := range map[string]bool{
		"":                    false,
		"close":               true,
		"keep-alive, Close":   true,
		"a,\tCLOSE \t,b":      true,
		",,close":             true,
		"closed, disclose":    false,
		"clo se":              false,
		"keep-alive; q=close": false,
	} {
		if got := HasItem([]byte(list), "close"); got != want {
			t.Errorf("%q: %t", list, got)
		}
	}
}

func TestListsItem(t *testing.T) {
	h := new(asteri.Header)
	h.Add("Connection", "keep-alive")
	h.Add("connection", "x, Upgrade")
	if !ListsItem(h, "Connection", "upgrade") || ListsItem(h, "Connection", "close") || ListsItem(h, "Upgrade", "x") {
		t.Error("the lists of several fields are not one")
	}
}
