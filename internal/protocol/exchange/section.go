package exchange

import (
	"strconv"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Section puts header sections together for protocols that send them as lists of fields:
// names in lower case, :status first. It belongs to one home, for which it is used again.
type Section struct {
	date   httpfield.Date
	server []byte
	altSvc []byte
	idName []byte         // of the field for a request's id, or empty
	id     []byte         // of a request, as the value of that field
	fields []asteri.Field // of the header section being put together
	names  []byte         // the names in it that had to be put in lower case
	digits [20]byte       // of its Content-Length
}

// NewSection returns the Section for s. The protocol has seen to it that s.Server and
// s.AltSvc can be field values.
func NewSection(s *asteri.Settings) Section {
	return Section{server: []byte(s.Server), altSvc: []byte(s.AltSvc), idName: httpfield.AppendLower(nil, []byte(s.RequestIDField))}
}

// Names of fields that protocols write themselves, in lower case.
var (
	nameStatus  = []byte(":status")
	nameLength  = []byte("content-length")
	nameServer  = []byte("server")
	nameDate    = []byte("date")
	nameAltSvc  = []byte("alt-svc")
	statusCodes = func() (codes [500][]byte) {
		for i := range codes {
			codes[i] = strconv.AppendInt(nil, int64(100+i), 10)
		}
		return codes
	}()
)

func (s *Section) add(name, value []byte) {
	s.fields = append(s.fields, asteri.Field{Name: name, Value: value})
}

// Compose begins a section for a Wire.
func (s *Section) Compose(head *Head, h *asteri.Header) error {
	s.fields, s.names = s.fields[:0], s.names[:0]
	if head.Status != 0 {
		s.add(nameStatus, statusCodes[head.Status-100])
	}
	for _, f := range h.Fields() {
		own, err := head.Facts.Check(f)
		if err != nil {
			return err
		}
		if !own {
			s.add(s.lower(f.Name), f.Value)
		}
	}
	return nil
}

// Complete adds what the exchange x and the server have to say. It returns the fields,
// which live until the next Compose.
func (s *Section) Complete(head *Head, x *Exchange) []asteri.Field {
	if head.Status < 200 {
		return s.fields
	}
	if head.Facts.Upgrade {
		s.dropUpgrade()
	}
	if head.Length != httpfield.LengthUnknown {
		s.add(nameLength, strconv.AppendInt(s.digits[:0], head.Length, 10))
	}
	if !head.Facts.Server && len(s.server) > 0 {
		s.add(nameServer, s.server)
	}
	if !head.Facts.Date {
		s.add(nameDate, s.date.At(x.at.Home.Now()))
	}
	if len(s.altSvc) > 0 && !head.Facts.AltSvc && x.peer.TLS != nil {
		s.add(nameAltSvc, s.altSvc)
	}
	if head.ID {
		s.id = append(s.id[:0], x.req.Handling.ID...)
		if httpfield.IsValue(s.id) {
			s.add(s.idName, s.id)
		}
	}
	return s.fields
}

// Trailer returns a copy of the trailer section that was put together last.
func (s *Section) Trailer() *asteri.Header {
	t := new(asteri.Header)
	for _, f := range s.fields {
		t.Add(string(f.Name), string(f.Value))
	}
	return t
}

// lower returns name in lower case, which is mostly how it comes.
func (s *Section) lower(name []byte) []byte {
	if httpfield.IsLowerToken(name) {
		return name
	}
	n := len(s.names)
	s.names = httpfield.AppendLower(s.names, name)
	return s.names[n:len(s.names):len(s.names)]
}

// dropUpgrade takes out the fields in which HTTP/1.1 names protocols: here there
// are none to upgrade to (RFC 9113 section 8.6).
func (s *Section) dropUpgrade() {
	kept := s.fields[:0]
	for _, f := range s.fields {
		if string(f.Name) != "upgrade" {
			kept = append(kept, f)
		}
	}
	s.fields = kept
}

// OfferedConnect is Wire.Offered for a request r that may be an extended CONNECT (RFC
// 8441, RFC 9220).
func (x *Exchange) OfferedConnect(protocol []byte) (status int, err error) {
	switch {
	case x.req.Protocol == "" || !asteri.EqualFold(protocol, x.req.Protocol):
		return 0, httpfield.Misuse("upgrade that the client did not offer")
	case x.body.sink != nil:
		return 0, httpfield.Misuse("upgrade of a request whose body is being read")
	}
	return 200, nil
}
