// Package proctree measures and ends whole trees of processes, by /proc.
package proctree

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// userHZ is the unit of the times in /proc/PID/stat. The kernel's interface
// fixes it at 100 a second on every architecture Go runs on.
const userHZ = 100

// Process is one process as /proc/PID/stat describes it.
type Process struct {
	PID, Parent, Session int
	// Started is the start time in clock ticks since boot. With PID it
	// names one process for ever, whatever happens to the number later.
	Started uint64
	own     time.Duration // all threads, living and ended; 10 ms steps
	reaped  time.Duration // children waited for, and theirs; 10 ms steps
}

// list returns every process of the machine.
func list() ([]Process, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("proctree: no processes under /proc (is this Linux?)")
	}
	all := make([]Process, 0, len(names))
	for _, name := range names {
		// A process that ended since the listing is simply not there.
		if p, err := readStat(name); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

func readStat(name string) (Process, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return Process{}, err
	}
	return parseStat(b)
}

// parseStat reads a line of /proc/PID/stat (proc(5)).
func parseStat(b []byte) (Process, error) {
	// The command, field 2, is in parentheses and may hold any byte: what
	// follows the last parenthesis is unambiguous.
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return Process{}, fmt.Errorf("proctree: not a stat line: %q", b)
	}
	rest := bytes.Fields(b[end+1:]) // rest[0] is field 3
	if len(rest) < 20 {
		return Process{}, fmt.Errorf("proctree: short stat line: %q", b)
	}
	var bad error
	field := func(n int) uint64 { // n as proc(5) counts
		v, err := strconv.ParseInt(string(rest[n-3]), 10, 64)
		if err != nil {
			bad = err
		}
		return uint64(v)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:open])))
	if err != nil {
		return Process{}, err
	}
	ticks := func(n uint64) time.Duration { return time.Duration(n) * time.Second / userHZ }
	p := Process{
		PID:     pid,
		Parent:  int(field(4)),
		Session: int(field(6)),
		Started: field(22),
		own:     ticks(field(14) + field(15)),
		reaped:  ticks(field(16) + field(17)),
	}
	return p, bad
}

// Tree returns the process root and all its descendants. A descendant whose
// parent died belongs to the tree while it is still in the session of root;
// servers are therefore started as leaders of sessions.
func Tree(root int) ([]Process, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	return tree(all, root), nil
}

func tree(all []Process, root int) []Process {
	in := map[int]bool{root: true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !in[p.PID] && (in[p.Parent] || p.Session == root) {
				in[p.PID], grown = true, true
			}
		}
	}
	var members []Process
	for _, p := range all {
		if in[p.PID] {
			members = append(members, p)
		}
	}
	return members
}

// CPU returns what the tree of root has spent so far: every thread of every
// process, including threads that ended and children that were waited for.
func CPU(root int) (time.Duration, error) {
	members, err := Tree(root)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, p := range members {
		// schedstat counts nanoseconds but forgets a thread that ended;
		// stat remembers it, rounded down. The larger is the better one.
		sum += max(threadsCPU(p.PID), p.own) + p.reaped
	}
	return sum, nil
}

// threadsCPU adds the run time of the living threads of a process.
func threadsCPU(pid int) time.Duration {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended since the listing
		}
		run, _, _ := bytes.Cut(b, []byte{' '})
		ns, err := strconv.ParseInt(string(run), 10, 64)
		if err == nil {
			sum += time.Duration(ns)
		}
	}
	return sum
}

// Memory is what a tree holds, in bytes.
type Memory struct {
	// RSS counts a page once for each process that maps it.
	RSS int64 `json:"rss"`
	// PSS divides a page by the number of processes that map it: over a
	// tree it adds up to what the tree really holds.
	PSS int64 `json:"pss"`
}

// MemoryOf adds up the memory of the tree of root. Memory of the kernel, such
// as socket buffers, is not in it.
func MemoryOf(root int) (Memory, error) {
	members, err := Tree(root)
	if err != nil {
		return Memory{}, err
	}
	var sum Memory
	for _, p := range members {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
		if err != nil {
			continue // ended since the listing, or a zombie
		}
		sum.RSS += rollup(b, "Rss:")
		sum.PSS += rollup(b, "Pss:")
	}
	if sum.PSS == 0 {
		return sum, fmt.Errorf("proctree: no memory of process %d can be read", root)
	}
	return sum, nil
}

// rollup returns one line of smaps_rollup or status in bytes.
func rollup(b []byte, key string) int64 {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 2 || string(f[0]) != key {
			continue
		}
		kib, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil {
			return 0
		}
		return kib << 10
	}
	return 0
}

// Resident reads the resident memory of one process: as it is, and its highest since
// the process began or since ResetPeak, in bytes.
func Resident(pid int) (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	now, peak = rollup(b, "VmRSS:"), rollup(b, "VmHWM:")
	if now == 0 {
		return 0, 0, fmt.Errorf("proctree: process %d has no memory any more", pid)
	}
	return now, peak, nil
}

// ResetPeak makes what a process has now its highest, proc(5).
func ResetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
