package procstat

import (
	"os"
	"testing"
)

func TestOwnProcess(t *testing.T) {
	if !Supported {
		t.Skip("the system does not tell")
	}
	u, err := Read(os.Getpid())
	if err != nil || u.RSS < 1<<20 {
		t.Errorf("%+v, %v", u, err)
	}
	pss, err := PSS(os.Getpid())
	if err != nil || pss <= 0 || pss > 2*u.RSS {
		t.Errorf("PSS %d of %d, %v", pss, u.RSS, err)
	}
	for x := 0; x < 1<<40 && u.CPU == 0; x++ { // a tick is 10 ms
		if x%(1<<20) == 0 {
			if u, err = Read(os.Getpid()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNoProcess(t *testing.T) {
	if _, err := Read(1 << 30); Supported && err == nil {
		t.Error("there is no such process")
	}
}

func TestHost(t *testing.T) {
	h, err := ReadHost()
	if err != nil || h.CPUs < 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	if Supported && (h.Memory <= 0 || h.Available <= 0 || h.Available > h.Memory || h.Busy <= 0 || h.Total <= h.Busy) {
		t.Errorf("%+v", h)
	}
}
