package procstat

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Supported says that this package can tell.
const Supported = true

// tick is the unit of processor times in /proc, which the kernel keeps at 100 Hz
// towards programs whatever its own (USER_HZ).
const tick = 10 * time.Millisecond

var errFormat = errors.New("procstat: /proc has a format of its own")

// Read returns what a process uses now.
func Read(pid int) (Usage, error) {
	text, err := read(strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Usage{}, err
	}
	// The name, in parentheses, may hold anything.
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system, pages = 11, 12, 21 // counted from the state
	if len(f) <= pages {
		return Usage{}, errFormat
	}
	return Usage{
		CPU: time.Duration(number(f[user])+number(f[system])) * tick,
		RSS: number(f[pages]) * int64(os.Getpagesize()),
	}, nil
}

// PSS returns the memory of a process in bytes, each shared page divided by the
// number of processes that share it. The kernel walks all its pages for that:
// about a millisecond for 100 MB.
func PSS(pid int) (int64, error) {
	text, err := read(strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == "Pss:" {
			return number(f[1]) << 10, nil
		}
	}
	return 0, errFormat
}

// ReadHost returns what the machine has and uses now.
func ReadHost() (Host, error) {
	h := Host{CPUs: runtime.NumCPU()}
	stat, err := read("stat")
	if err != nil {
		return h, err
	}
	first, _, _ := bytes.Cut(stat, []byte("\n"))
	// user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
	for i, f := range bytes.Fields(first) {
		if i == 0 || i > 8 {
			continue
		}
		t := time.Duration(number(f)) * tick
		h.Total += t
		if i != 4 && i != 5 {
			h.Busy += t
		}
	}
	load, err := read("loadavg")
	if err != nil {
		return h, err
	}
	for i, f := range bytes.Fields(load) {
		if i < len(h.Load) {
			h.Load[i], _ = strconv.ParseFloat(string(f), 64)
		}
	}
	memory, err := read("meminfo")
	if err != nil {
		return h, err
	}
	for line := range bytes.Lines(memory) {
		switch f := bytes.Fields(line); {
		case len(f) < 2:
		case string(f[0]) == "MemTotal:":
			h.Memory = number(f[1]) << 10
		case string(f[0]) == "MemAvailable:":
			h.Available = number(f[1]) << 10
		}
	}
	return h, nil
}

// read returns a file of /proc. Those asked for are at most a few kilobytes, but
// for /proc/stat, whose first line is all that is needed.
func read(name string) ([]byte, error) {
	f, err := os.Open("/proc/" + name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, 4<<10)
	n, err := f.Read(buf)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return buf[:n], nil
}

// number returns 0 for what is none.
func number(b []byte) int64 {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
