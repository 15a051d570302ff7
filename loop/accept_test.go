package loop

import (
	"testing"
	"time"
)

func TestShortConnectionsStayWhereTheyCome(t *testing.T) {
	var l lasting
	if l.mostlyShort() {
		t.Error("before any has closed")
	}
	for range 40 {
		l.closed(time.Millisecond)
	}
	if !l.mostlyShort() || l > shortest {
		t.Errorf("after forty short ones: %d", l)
	}
	for range 40 {
		l.closed(time.Minute)
	}
	if l.mostlyShort() {
		t.Errorf("after forty long ones: %d", l)
	}
}
