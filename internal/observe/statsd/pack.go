package statsd

import (
	"strconv"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
)

// maxTimes is how many durations a loop keeps for one flush. Of more, these stand
// for all, by the sampling rate that is sent with them.
const maxTimes = 1000

// shard is what has happened on one home since the last flush. Only the flush, ten
// times a second, contends for its lock.
type shard struct {
	mu       sync.Mutex
	requests int
	times    []time.Duration
	spare    []time.Duration
	statuses [600]uint32
	_        [64]byte // no cache line with another shard
}

func (s *shard) add(r *asteri.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status := r.LoggedStatus(); status > 0 && status < len(s.statuses) {
		s.statuses[status]++
	}
	if r.Request == nil {
		return // it was no request yet, and took no time
	}
	s.requests++
	if len(s.times) < maxTimes {
		s.times = append(s.times, r.Duration)
	}
}

// pack sends what has happened, and begins anew.
func (s *shard) pack(out *packer) {
	s.mu.Lock()
	requests, times, statuses := s.requests, s.times, s.statuses
	s.requests, s.times = 0, s.spare[:0]
	clear(s.statuses[:])
	s.mu.Unlock()
	s.spare = times

	rate := 1.0
	if requests > len(times) {
		rate = float64(len(times)) / float64(requests)
	}
	for _, d := range times {
		out.time("gunicorn.request.duration", d, rate)
	}
	out.count("gunicorn.requests", uint64(requests))
	for status, n := range &statuses {
		if n > 0 {
			out.count("gunicorn.request.status."+strconv.Itoa(status), uint64(n))
		}
	}
}

// packer puts metrics into datagrams.
type packer struct {
	prefix, suffix string
	limit          int // bytes of a datagram
	send           func([]byte)
	buf, line      []byte
}

// begin starts a metric.
func (p *packer) begin(name string) {
	p.line = append(append(append(p.line[:0], p.prefix...), name...), ':')
}

// end ends a metric of a type.
func (p *packer) end(kind string) {
	p.line = append(append(p.line, kind...), p.suffix...)
	if len(p.buf) > 0 && len(p.buf)+1+len(p.line) > p.limit {
		p.flush()
	}
	if len(p.buf) > 0 {
		p.buf = append(p.buf, '\n')
	}
	p.buf = append(p.buf, p.line...)
}

// flush sends what there is.
func (p *packer) flush() {
	if len(p.buf) > 0 {
		p.send(p.buf)
		p.buf = p.buf[:0]
	}
}

func (p *packer) count(name string, n uint64) {
	if n == 0 {
		return
	}
	p.begin(name)
	p.line = strconv.AppendUint(p.line, n, 10)
	p.end("|c")
}

func (p *packer) gauge(name string, n int) {
	p.begin(name)
	p.line = strconv.AppendInt(p.line, int64(n), 10)
	p.end("|g")
}

// time adds a duration, in milliseconds, that stands for 1/rate ones.
func (p *packer) time(name string, d time.Duration, rate float64) {
	p.begin(name)
	p.line = strconv.AppendFloat(p.line, float64(d.Microseconds())/1000, 'f', -1, 64)
	if rate == 1 {
		p.end("|ms")
		return
	}
	p.line = append(p.line, "|ms|@"...)
	p.line = strconv.AppendFloat(p.line, rate, 'g', 4, 64)
	p.end("")
}
