package stream

import (
	"strconv"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/awake"
	"github.com/asteri/asteri-loop/internal/guard"
	"github.com/asteri/asteri-loop/internal/httpfield"
	"github.com/asteri/asteri-loop/internal/jobs"
)

// Local is what the exchanges of one home share. It belongs to the home's
// goroutine.
type Local struct {
	// Settings are those of the protocol.
	Settings *asteri.Settings
	// Home owns the exchanges.
	Home Home

	date   httpfield.Date
	server []byte
	altSvc []byte
	idName []byte         // of the field for a request's id, or empty
	id     []byte         // of a request, as the value of that field
	fields []asteri.Field // of the header section being put together
	names  []byte         // the names in it that had to be put in lower case
	digits [20]byte       // of its Content-Length
	record asteri.Record
	chunks *chunk // free
	free   int    // how many

	maxQueued int
	disk      *jobs.Pool // where files are read
}

// diskJobs is how many files are read at a time for the exchanges of a home, however
// many there are: a thread waits in each, and a disk may hang.
const diskJobs = 8

// NewLocal returns the Local of home. The protocol has seen to it that s.Server and
// s.AltSvc can be field values.
func NewLocal(s *asteri.Settings, home Home) *Local {
	return &Local{
		Settings: s, Home: home, server: []byte(s.Server), altSvc: []byte(s.AltSvc),
		idName: httpfield.AppendLower(nil, []byte(s.RequestIDField)), maxQueued: home.MaxQueued(),
		disk: jobs.NewPool(diskJobs),
	}
}

// Observe tells the observer, if there is one, of an end; protocols use it for
// requests that never became an exchange. The record is used again for the next.
func (at *Local) Observe(r asteri.Record) {
	if at.Settings.Observer == nil {
		return
	}
	at.record = r
	at.record.Home = at.Home
	guard.Observe(at.Settings.Observer, &at.record, at.Settings.Logger)
	at.record = asteri.Record{}
}

// observeTunnel tells the observer of an exchange that has become a tunnel.
func (at *Local) observeTunnel(r asteri.Record) asteri.TunnelClosed {
	if at.Settings.Observer == nil {
		return nil
	}
	r.Home = at.Home
	return guard.Open(at.Settings.Observer, &r, at.Settings.Logger)
}

// Awake returns the time by the clock of deadlines.
func (at *Local) Awake() time.Duration { return awake.At(at.Home.Now()) }

func (at *Local) nanos() int64 { return int64(at.Awake()) }

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

// begin starts a header section with its status.
func (at *Local) begin(status int) {
	at.fields = append(at.fields[:0], asteri.Field{Name: nameStatus, Value: statusCodes[status-100]})
	at.names = at.names[:0]
}

func (at *Local) add(name, value []byte) {
	at.fields = append(at.fields, asteri.Field{Name: name, Value: value})
}

// addFields adds the fields of h, except for those that the protocol writes
// itself, and refuses what an application may not send.
func (at *Local) addFields(h *asteri.Header, facts *httpfield.ResponseFacts) error {
	facts.Length = httpfield.LengthUnknown
	for _, f := range h.Fields() {
		own, err := facts.Check(f)
		if err != nil {
			return err
		}
		if !own {
			at.add(at.lower(f.Name), f.Value)
		}
	}
	return nil
}

// lower returns name in lower case, which is mostly how it comes.
func (at *Local) lower(name []byte) []byte {
	if httpfield.IsLowerToken(name) {
		return name
	}
	n := len(at.names)
	at.names = httpfield.AppendLower(at.names, name)
	return at.names[n:len(at.names):len(at.names)]
}

// addLength adds a Content-Length.
func (at *Local) addLength(n int64) {
	at.add(nameLength, strconv.AppendInt(at.digits[:0], n, 10))
}
