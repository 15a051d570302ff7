package accesslog

import (
	"slices"
	"time"

	"github.com/asteri/asteri-loop"
)

var _ asteri.TunnelObserver = (*Log)(nil)

// TunnelOpened implements asteri.TunnelObserver: a tunnel gets its line at its end,
// with its duration and the bytes that went through it.
func (l *Log) TunnelOpened(r *asteri.Record) asteri.TunnelClosed {
	if l.off.Load() {
		return nil
	}
	kept := keep(r)
	return func(bytesIn, bytesOut int64, cause error) {
		kept.BytesIn += bytesIn
		kept.BytesOut += bytesOut
		kept.BytesSent += bytesOut
		kept.Duration = time.Since(kept.Request.Received)
		kept.Err = cause
		l.write(kept, true)
	}
}

// keep copies what lines may be made of, into little memory: a tunnel may be idle
// for long.
func keep(r *asteri.Record) *asteri.Record {
	from := r.Request
	all := &struct {
		record asteri.Record
		head   asteri.Request
	}{record: *r, head: *from}
	to := &all.head
	arena := make([]byte, 0, size(from, r.Header))
	take := func(p []byte) []byte {
		n := len(arena)
		arena = append(arena, p...)
		return slices.Clip(arena[n:])
	}
	copyFields := func(to, from *asteri.Header) {
		to.Grow(from.Len())
		for _, f := range from.Fields() {
			to.Append(take(f.Name), take(f.Value))
		}
	}
	to.Target, to.Authority = take(from.Target), take(from.Authority)
	to.Path, to.Query = take(from.Path), take(from.Query)
	to.Route = nil // of which no line speaks
	to.Header = asteri.Header{}
	copyFields(&to.Header, &from.Header)
	all.record.Request = to
	if r.Header != nil {
		all.record.Header = new(asteri.Header)
		copyFields(all.record.Header, r.Header)
	}
	return &all.record
}

func size(r *asteri.Request, response *asteri.Header) int {
	n := len(r.Target) + len(r.Authority) + len(r.Path) + len(r.Query)
	for _, h := range []*asteri.Header{&r.Header, response} {
		for _, f := range h.Fields() {
			n += len(f.Name) + len(f.Value)
		}
	}
	return n
}
