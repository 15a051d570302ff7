package dispatch

import (
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/workers/internal/turns"
)

const (
	// MaxCredit bounds the calls that wait in a worker's link.
	MaxCredit = 48
	// ManyCalls is the capacity from which a worker needs no credit, since
	// it starts all that it gets.
	ManyCalls = 64
	// UnknownTime is that of calls which tell nothing of how quick their worker is.
	UnknownTime = time.Duration(-1)

	// quickAnswer is the time for an answer up to which credit is raised.
	quickAnswer = time.Millisecond
)

// Worker is what the dispatcher asks of a worker. It asks with its mutex held: neither may
// call it back.
type Worker interface {
	// Recall asks for n calls back that the worker has not started. Restore is the answer.
	Recall(n int)
	// Probe asks whether the worker has begun with all that it was sent. Probed is the
	// answer.
	Probe()
}

// Slots is the dispatcher's record of a worker, under its mutex. The calls a
// worker has are those in its hands and those on their way to it.
type Slots struct {
	// Worker is whose it is.
	Worker Worker

	home     asteri.Executor // of its link
	capacity int             // calls that may run
	credit   int             // further calls that may wait in its link
	calls    int
	sockets  int // open WebSockets, which take no room
	// maxSockets bounds them; 0 if they are none of the worker's, but calls.
	maxSockets int

	finished   uint64 // goes up when calls are over
	recalling  bool   // a RECALL has not been answered
	takesCalls bool
	removed    bool // and never takes any again
	lookedAt        // by the watch over workers that make no progress
}

// Init prepares the room of a worker whose link lives on home. maxSockets bounds its open
// WebSockets; 0 if they are none of its own, but calls.
func (s *Slots) Init(w Worker, home asteri.Executor, capacity, maxSockets int) {
	s.Worker, s.home = w, home
	s.capacity, s.probes, s.maxSockets = capacity, capacity >= ManyCalls, maxSockets
}

func (s *Slots) full() bool { return s.calls >= s.capacity+s.credit }

func (s *Slots) socketsFull() bool { return s.maxSockets > 0 && s.sockets >= s.maxSockets }

// less tells whether a is less busy than b.
func (s *Slots) less(b *Slots) bool { return s.calls*b.capacity < b.calls*s.capacity }

// adapt raises the credit of a worker that answers quickly, so that its next
// calls are there when it is done, and takes it from one that is slow, so that no
// call waits behind another while a worker is free.
func (s *Slots) adapt(n int, took time.Duration) {
	switch {
	case s.capacity >= ManyCalls || n == 0 || took == UnknownTime:
	case took <= quickAnswer*time.Duration(n):
		s.credit = min(s.credit+n, MaxCredit)
	default:
		s.credit /= 4
	}
}

// Ticket is a call as the dispatcher knows it.
type Ticket struct {
	// Call is whose it is, and Request what it is about.
	Call    any
	Request *asteri.Request
	// Handshake says that it asks for a WebSocket.
	Handshake bool

	place    place
	slots    *Slots
	queuedAt time.Duration // by the clock of deadlines; 0: never
	turn     turns.Place[*Ticket]
	trial    *Trial // that it is on
}

// place is where a call is, as far as the dispatcher is concerned.
type place uint8

const (
	nowhere place = iota
	queued
	placed   // at ticket.room
	heldBack // until its trial has room
)

// waits notes where c waits, and since when, unless it has waited before.
func (c *Ticket) waits(at place) {
	c.place, c.turn.Value = at, c
	if c.queuedAt == 0 {
		c.queuedAt = awake.Now()
	}
}

// Reset makes a ticket that is at no worker, and in no queue, that of another request.
func (c *Ticket) Reset() {
	c.Request, c.Handshake = nil, false
	c.place, c.slots, c.queuedAt = nowhere, nil, 0
}

// Slots returns where it was placed last; nil if it never was.
func (c *Ticket) Slots() *Slots { return c.slots }

// OnTrial tells whether its worker may die of it, as others have.
func (c *Ticket) OnTrial() bool { return c.trial != nil }
