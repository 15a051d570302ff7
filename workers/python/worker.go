package python

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/control"
	"github.com/asteri/asteri-loop/workers/python/internal/dispatch"
	"github.com/asteri/asteri-loop/workers/python/internal/output"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/report"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// worker is one process, from before its start to its end.
type worker struct {
	pool    *Pool
	cfg     *Config // of its generation
	age     int     // its number
	log     *slog.Logger
	born    time.Time
	proc    *process.Process // its number is also in pid
	pid     atomic.Int64
	ctx     context.Context // of its boot
	cancel  context.CancelFunc
	output  *output.Pipes
	control *control.Socket
	loop    *loop.Loop
	info    Info
	link    *link // set by its loop before the worker takes calls
	stacks  stackWaiters
	reports report.Worker // as it is known by what it reports
	lost    lostCalls     // what its end has cost; valid once parted is closed
	parted  chan struct{} // closed when its link has ended

	served   atomic.Uint64
	frames   atomic.Uint64 // REQUESTS that it was sent
	term     uint64        // how many requests it serves until it is relieved; 0: any number
	life     time.Duration // how long it serves until it is relieved; 0: for ever
	lastPong atomic.Int64  // by the clock of deadlines

	slots      dispatch.Slots // the dispatcher's
	state      atomic.Int32   // workerState; the supervisor's, which others may read
	supervised supervised
}

// boot starts the process and waits until it is ready. It runs on a goroutine of
// its own and tells the supervisor how it ended.
func (w *worker) boot() {
	defer w.cancel()
	info, err := w.start(false)
	if err == nil {
		w.info = info
		maxSockets := 0 // each holds a call's slot
		if !info.wsgi() {
			maxSockets = w.cfg.WebSocketConnections
		}
		w.slots.Init(w, w.loop, info.Capacity, maxSockets)
		err = w.adopt()
	}
	if err != nil {
		w.pool.supervisor.post(func(s *supervisor) { s.onBootFailed(w, err) })
		return
	}
	<-w.proc.Exited
	w.tellEnd()
	w.control.ReadRest()
	w.control.Settle()
	w.loop.Post(func() { w.link.processExited() })
	w.output.Wait(lastWords)
	select {
	case <-w.parted:
	case <-time.After(process.ExitTimeout): // the loop has ended, or hangs
	}
	w.pool.supervisor.post(func(s *supervisor) { s.onExited(w) })
}

// start runs the process up to READY. If it returns an error there is no process
// any more.
func (w *worker) start(check bool) (Info, error) {
	python := w.cfg.python()
	interpreter, err := python.Find()
	if err != nil {
		return Info{}, bootError(err)
	}
	if w.cfg.Hooks != nil && !check {
		w.cfg.Hooks.WorkerStarts(w.age)
	}
	// What follows "-" is for those who look at a list of processes.
	argv := []string{interpreter, "-", "asteri-loop", "worker", strconv.Itoa(w.age), w.cfg.App}
	if w.proc, err = process.Start(argv, python.Environ(), theShim().boot, w.cfg.KeepOutput); err != nil {
		return Info{}, &BootError{Phase: "start", Message: err.Error()}
	}
	w.pid.Store(int64(w.proc.PID))
	w.log = w.log.With("pid", w.proc.PID)
	w.output = output.Start(w.log, w.proc.Output)
	go func() {
		<-w.proc.Exited
		w.output.EndAfter(orphanOutput)
	}()
	ready, err := process.Handshake(w.ctx, w.proc.Link, [][]byte{w.pool.shimProgram(), w.cfg.hello(w.age, check)}, w.cfg.BootTimeout, func(r *wire.Record) { output.LogRecord(w.log, r, slog.Attr{}) })
	if err != nil {
		return Info{}, w.bootFailed(err)
	}
	info := newInfo(ready)
	info.Interpreter = interpreter
	return info, nil
}

// bootFailed reaps a process whose handshake has failed.
func (w *worker) bootFailed(err error) error {
	var exit *process.Exit
	select {
	case <-w.proc.Exited:
		exit = &w.proc.Exit
	case <-w.ctx.Done():
	case <-time.After(process.ExitTimeout):
		// It has said why, or hangs.
	}
	w.proc.Kill()
	<-w.proc.Exited
	w.tellEnd()
	w.proc.Close()
	return bootError(process.Explain(err, w.cfg.BootTimeout, exit, w.output.LastLines(process.ExitTimeout)))
}

// tellEnd tells hooks of the end of the process.
func (w *worker) tellEnd() {
	if w.cfg.Hooks != nil {
		w.cfg.Hooks.WorkerEnded(w.age, w.proc.PID, w.proc.Exit.Status())
	}
}

// lastWords is how long the output of a worker that has exited is read before that is
// reported. What it wrote is in the pipe; only a child of it may hold the pipe open for
// longer.
const lastWords = 100 * time.Millisecond

// orphanOutput is how long what a child of the worker writes is read after the worker's
// end. Each pipe that is read takes a descriptor.
const orphanOutput = 30 * time.Second

// adopt gives the link to the loop.
func (w *worker) adopt() error {
	var err error
	w.control, err = control.New(w.proc.Control, control.Events{
		Recalled:   func(ids []uint32) { w.post(func(l *link) { l.onRecalled(ids) }) },
		Pong:       func() { w.lastPong.Store(int64(awake.Now())) },
		Descriptor: func(stream uint32) { w.post(func(l *link) { l.onDescriptor(stream) }) },
		Stacks: func(threads map[string]string) {
			w.stacks.answer(threads)
			w.post(func(l *link) { l.onStacks(threads) })
		},
		Metrics: func(told any) error { return w.pool.metrics.Merge(&w.reports, told) },
		Memory:  func(told any) error { return w.pool.routes.Merge(&w.reports, told) },
		Sources: w.toldSources,
		Broken:  w.linkEnded,
	})
	if err != nil {
		return w.bootFailed(err)
	}
	w.control.Limit(w.info.Capacity)
	fd, err := process.Detach(w.proc.Link)
	if err != nil {
		return w.bootFailed(err)
	}
	w.lastPong.Store(int64(awake.Now()))
	err = w.loop.Adopt(fd, func(c loop.Conn) loop.Session {
		w.link = newLink(w, c)
		w.pool.supervisor.post(func(s *supervisor) { s.onReady(w) })
		go w.control.Read()
		return w.link
	})
	if err != nil {
		return w.bootFailed(err)
	}
	return nil
}

// toldSources passes on which files the worker has imported.
func (w *worker) toldSources(told any) error {
	if w.cfg.Sources == nil {
		return wire.Violation("SOURCES that were not asked for")
	}
	files, err := wire.ParseSources(told)
	if err == nil {
		w.cfg.Sources(files, w.born)
	}
	return err
}

// post runs fn on the link's loop.
func (w *worker) post(fn func(l *link)) { w.loop.Post(func() { fn(w.link) }) }

// Recall asks for calls back that the worker has not started.
func (w *worker) Recall(n int) { w.post(func(l *link) { l.recall(n) }) }

// Probe asks whether the worker reads its link.
func (w *worker) Probe() { w.post((*link).sendProbe) }

// callOf and linkOf return whose a ticket and slots are.
func callOf(t *dispatch.Ticket) *call { return t.Call.(*call) }
func linkOf(r *dispatch.Slots) *link  { return r.Worker.(*worker).link }

// deliverAll gives calls to the workers that they were placed at. It is called on at.
func deliverAll(next []dispatch.Placement, at asteri.Executor) {
	for _, p := range next {
		linkOf(p.Slots).deliver(callOf(p.Ticket), at)
	}
}

// hasServed counts n requests. The link's loop calls it.
func (w *worker) hasServed(n int) {
	if served := w.served.Add(uint64(n)); w.term > 0 && served >= w.term && served-uint64(n) < w.term {
		w.pool.supervisor.post(func(s *supervisor) { s.relieve(w, "max-requests") })
	}
}

// retire asks the supervisor for a replacement, after which the worker finishes
// what it has.
func (w *worker) retire(reason string) {
	w.pool.dispatcher.Remove(&w.slots)
	w.pool.supervisor.post(func(s *supervisor) { s.replace(w, reason) })
}

// kill ends the process at once.
func (w *worker) kill(why process.Cause, reason string) {
	w.pool.supervisor.post(func(s *supervisor) { s.kill(w, why, reason) })
}

// linkEnded is called when one of the sockets has ended before the process did.
func (w *worker) linkEnded(cause error) {
	if wire.IsBreach(cause) {
		w.log.Error("worker sent what it may not", "error", cause)
		w.kill(process.Protocol, "it broke the link's protocol")
		return
	}
	w.pool.supervisor.post(func(s *supervisor) { s.onLinkEnded(w) })
}

// linkFinished is called when every call has its outcome. The worker has ended, or has
// to; what it said last is on the other socket.
func (w *worker) linkFinished() {
	w.control.ReadRest()
	w.control.Close()
	close(w.parted)
}
