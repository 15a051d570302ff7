package poison_test

import (
	"bytes"
	"testing"

	"github.com/asteri/asteri-loop/internal/system/poison"
)

// Whatever the build, nothing is left of what was there for who goes by what is returned.
func TestReuse(t *testing.T) {
	p := []byte("kept beyond its time")
	if next := poison.Reuse(p); len(next) != 0 {
		t.Errorf("%d bytes are left", len(next))
	}
	spoilt := bytes.Count(p, []byte{poison.Byte})
	if spoilt != 0 && spoilt != len(p) {
		t.Errorf("%d bytes of %d are spoilt", spoilt, len(p))
	}
}
