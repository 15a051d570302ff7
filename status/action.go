package status

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// act does what an operator asks for.
//
// A browser sends its cookie whoever made it ask, so a form must also carry the proof
// that we made it for this session. Programs show the token itself, or, at the admin
// listener, a field that no page of another origin can add (it would have to ask us
// first, by CORS, and is never allowed).
func (s *Monitor) act(v *visit) {
	v.readForm(func(form url.Values) {
		byHand := v.session == "" && len(v.r.Header.Get("X-Asteri-Action")) > 0
		if !v.bearer && !byHand && !s.keys.isProof(form.Get("csrf"), v.session) {
			needs := needsToken
			if v.session == "" {
				needs = needsField // full access without a token or a session is the admin listener's
			}
			s.forbid(v, needs)
			return
		}
		do, name := s.action(form)
		if do == nil {
			respond(v, http.StatusBadRequest, plainText, "give action=reload, action=scale-up, action=scale-down or restart=PID\n")
			return
		}
		s.later(v, func() func() {
			if err := do(); err != nil {
				return func() { respond(v, http.StatusConflict, plainText, err.Error()+"\n") }
			}
			s.opts.Logger.Info("Asked for on the status page", "action", name, "client", clientOf(v))
			return func() { s.done(v, name) }
		})
	})
}

// done answers an action that was begun. A form of the page goes back to it.
func (s *Monitor) done(v *visit, name string) {
	if wantsPage(v.r) {
		redirect(v, s.opts.Path+"?done="+name, nil)
		return
	}
	respond(v, http.StatusAccepted, "application/json", `{"accepted": "`+name+"\"}\n")
}

// action returns what a form asks for, and its name.
func (s *Monitor) action(form url.Values) (do func() error, name string) {
	c := s.opts.Control
	if c == nil {
		return func() error { return errNoControl }, "none"
	}
	scale := func(delta int) func() error {
		return func() error { _, err := c.Scale("", delta); return err }
	}
	switch name = form.Get("action"); name {
	case "reload":
		return func() error { c.Reload(""); return nil }, name // the log tells how it ends
	case "scale-up":
		return scale(1), name
	case "scale-down":
		return scale(-1), name
	}
	if pid, err := strconv.Atoi(form.Get("restart")); err == nil && pid > 0 {
		return func() error { return c.Restart(pid) }, "restart"
	}
	return nil, ""
}

type constError string

func (e constError) Error() string { return string(e) }

const errNoControl = constError("this server takes no orders")

// clientOf names a client for the log.
func clientOf(v *visit) string {
	if v.r.Peer.Remote.IsValid() {
		return v.r.Peer.Remote.Addr().String()
	}
	return v.r.Peer.Network
}

// stackTimeout is how long a worker may take to say where it is.
const stackTimeout = 5 * time.Second

// stack shows where a process is, as text.
func (s *Monitor) stack(v *visit) {
	q, ok := parseQuery(v.query)
	pid, err := strconv.Atoi(q.Get("pid"))
	if !ok || err != nil || pid <= 0 {
		respond(v, http.StatusBadRequest, plainText, "pid must be the number of a process\n")
		return
	}
	s.stacks.Go(func() {
		text, err := s.Stack(context.Background(), pid)
		v.Post(func() {
			if err != nil {
				respond(v, http.StatusNotFound, plainText, err.Error()+"\n")
				return
			}
			respond(v, http.StatusOK, plainText, text)
		})
	})
}

// Stack tells where the threads of a worker are, or the goroutines of the server's own
// process. It gives up after a few seconds, or when ctx is done.
func (s *Monitor) Stack(ctx context.Context, pid int) (string, error) {
	if pid == os.Getpid() {
		return goroutines(), nil
	}
	if s.opts.Control == nil {
		return "", errNoControl
	}
	ctx, cancel := context.WithTimeout(ctx, stackTimeout)
	defer cancel()
	threads, err := s.opts.Control.Stacks(ctx, pid)
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(threads))
	for name := range threads {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "Thread %s:\n%s\n\n", name, strings.TrimRight(threads[name], "\n"))
	}
	return b.String(), nil
}

// goroutines returns the stacks of this process, cut at a bound.
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	if i := bytes.LastIndex(buf, []byte("\n\n")); len(buf) == cap(buf) && i > 0 {
		buf = append(buf[:i:i], "\n\n(more were left out)\n"...)
	}
	return string(buf)
}
