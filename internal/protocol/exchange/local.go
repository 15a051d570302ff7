package exchange

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Local is what the exchanges of one home share. It belongs to the home's
// goroutine.
type Local struct {
	// Settings are those of the protocol.
	Settings *asteri.Settings
	// Home owns the exchanges.
	Home Home
	// MaxQueued is that of the home.
	MaxQueued int

	head   Head // of the response that is being begun
	record asteri.Record
	chunks *chunk     // free
	free   int        // how many
	disk   *jobs.Pool // where files are read
}

// diskJobs is how many files are read at a time for the exchanges of a home, however
// many there are: a thread waits in each, and a disk may hang.
const diskJobs = 8

// NewLocal returns the Local of home.
func NewLocal(s *asteri.Settings, home Home) *Local {
	return &Local{Settings: s, Home: home, MaxQueued: home.MaxQueued(), disk: jobs.NewPool(diskJobs)}
}

// Observe tells the observer, if there is one, of a request that never became an
// exchange.
func (at *Local) Observe(r asteri.Record) {
	if at.Settings.Observer != nil {
		at.record = r
		at.record.Home = at.Home
		callback.Observe(at.Settings.Observer, &at.record, at.Settings.Logger)
	}
}

// owned panics in a debug build unless the calling goroutine is the home's.
func (at *Local) owned() {
	if callback.Debug {
		callback.Owned(at.Home)
	}
}

// Awake returns the time by the clock of deadlines.
func (at *Local) Awake() time.Duration { return awake.At(at.Home.Now()) }
