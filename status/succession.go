package status

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// A process that takes the place of another goes on with its counts: what that had counted
// is added to what this one has, in the document and the metrics, when somebody asks. So
// the parts that count know nothing of it.

// told is what one process tells another: its document, and its metrics.
type told struct {
	doc      *Report
	families []*dto.MetricFamily
}

// Totals is what there is to tell, for Inherit of another process's Monitor. It takes time.
func (s *Monitor) Totals() []byte {
	t := told{doc: s.snapshot().doc}
	if s.metrics != nil {
		t.families, _ = s.metrics.own() // what cannot be had is left out
	}
	return t.encode()
}

// Inherit has the counts go on from the Totals of another process. A later call replaces
// what an earlier one said: the process has counted on. It returns an error for bytes that
// no Monitor has made.
func (s *Monitor) Inherit(totals []byte) error {
	t, err := decodeTold(totals)
	if err != nil {
		return err
	}
	s.inherited.Store(t)
	s.forget()
	return nil
}

// Follow has the Monitor tell what another process does which goes on with its counts: ask
// gives that one the Totals, and returns its own. While it fails the Monitor tells what it
// knows, as it does after nil.
func (s *Monitor) Follow(ask func(totals []byte) ([]byte, error)) {
	s.successor.Store(&ask)
	s.forget()
}

// forget has the next who asks be told anew.
func (s *Monitor) forget() {
	s.gathering.Lock()
	defer s.gathering.Unlock()
	s.last = nil
}

// followed returns what the successor tells, or nil.
func (s *Monitor) followed() *told {
	ask := s.successor.Load()
	if ask == nil || *ask == nil {
		return nil
	}
	text, err := (*ask)(s.Totals())
	if err != nil {
		return nil
	}
	t, err := decodeTold(text)
	if err != nil {
		return nil
	}
	return t
}

// encode writes the document's length, the document as JSON, and the metrics.
func (t *told) encode() []byte {
	doc, err := json.Marshal(t.doc)
	if err != nil { // a value that JSON has no word for: none of ours
		doc = []byte("{}")
	}
	out := bytes.NewBuffer(binary.BigEndian.AppendUint32(nil, uint32(len(doc))))
	out.Write(doc)
	enc := expfmt.NewEncoder(out, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range t.families {
		if enc.Encode(f) != nil {
			break // into memory: it is what cannot be read that ends here
		}
	}
	return out.Bytes()
}

var errTold = errors.New("status: not what another process tells")

func decodeTold(text []byte) (*told, error) {
	const size = 4
	if len(text) < size || uint64(binary.BigEndian.Uint32(text)) > uint64(len(text)-size) {
		return nil, errTold
	}
	end := size + int(binary.BigEndian.Uint32(text))
	t := &told{doc: new(Report)}
	if err := json.Unmarshal(text[size:end], t.doc); err != nil {
		return nil, err
	}
	dec := expfmt.NewDecoder(bytes.NewReader(text[end:]), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		f := new(dto.MetricFamily)
		switch err := dec.Decode(f); {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return nil, err
		}
		t.families = append(t.families, f)
	}
}

// following returns a document whose counts go on from another one's.
func (doc *Report) following(before *Report) *Report {
	sum := *doc
	sum.Refused = added(doc.Refused, before.Refused)
	sum.Loops = slices.Clone(doc.Loops)
	for i, l := range before.Loops {
		if len(sum.Loops) == 0 {
			break
		}
		to := &sum.Loops[i%len(sum.Loops)] // there may be fewer now
		to.Accepted += l.Accepted
		to.Ticks += l.Ticks
		to.Panics += l.Panics
	}
	sum.HTTP3, sum.WebSockets = doc.HTTP3.following(before.HTTP3), doc.WebSockets.following(before.WebSockets)
	t := &sum.Traffic
	t.All = t.All.following(before.Traffic.All)
	t.Protocols = followingAll(t.Protocols, before.Traffic.Protocols)
	t.Classes = followingAll(t.Classes, before.Traffic.Classes)
	t.TLS = added(t.TLS, before.Traffic.TLS)
	return &sum
}

func (h *HTTP3) following(before *HTTP3) *HTTP3 {
	if h == nil || before == nil {
		return h
	}
	sum := *h
	sum.Accepted += before.Accepted
	sum.Errors = added(h.Errors, before.Errors)
	return &sum
}

func (w *WebSockets) following(before *WebSockets) *WebSockets {
	if before == nil {
		return w
	}
	var sum WebSockets
	if w != nil {
		sum = *w
	}
	sum.Opened += before.Opened
	sum.Refused += before.Refused
	sum.MessagesIn += before.MessagesIn
	sum.MessagesOut += before.MessagesOut
	sum.Silent += before.Silent
	sum.Stalled += before.Stalled
	sum.NotAnswered += before.NotAnswered
	sum.Failures = added(sum.Failures, before.Failures)
	return &sum
}

func (r Rates) following(before Rates) Rates {
	r.Requests += before.Requests
	r.BytesIn += before.BytesIn
	r.BytesSent += before.BytesSent
	return r
}

// followingAll joins rates by their names, in order.
func followingAll(now, before []Rates) []Rates {
	sums := slices.Clone(now)
	for _, b := range before {
		if i := slices.IndexFunc(sums, func(r Rates) bool { return r.Name == b.Name }); i >= 0 {
			sums[i] = sums[i].following(b)
		} else {
			sums = append(sums, Rates{Name: b.Name}.following(b))
		}
	}
	slices.SortFunc(sums, byName)
	return sums
}

// added adds counts by their names.
func added(now, before map[string]uint64) map[string]uint64 {
	if len(before) == 0 {
		return now
	}
	sums := maps.Clone(now)
	if sums == nil {
		sums = make(map[string]uint64, len(before))
	}
	for name, n := range before {
		sums[name] += n
	}
	return sums
}
