package exchange

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
)

// Every row of the table of states: what moves an exchange from where to where, what its
// client gets, and what the handler hears.
func TestStates(t *testing.T) {
	refusal := &asteri.StatusError{Code: 408}
	wrong := func() *asteri.Header { h := new(asteri.Header); h.Add("Te", "x"); return h }()
	offer := func() *asteri.Header { h := new(asteri.Header); h.Add("Upgrade", "websocket"); return h }()
	later := func(w *wire, h *home) { w.CheckHandler(); h.time = h.time.Add(time.Hour); w.CheckHandler() }
	abort := func(w *wire, _ *home) { w.Abort(errTest) }
	crash := func(w *wire, h *home) { w.Post(func() { panic(errTest) }); h.run() }
	fails := func(w *wire, _ *home) { w.BodyFailed(refusal) }
	leave := func(w *wire, _ *home) { w.Cancel(asteri.ErrClientGone) }
	halve := func(w *wire, _ *home) { w.HalfClosed() }
	for name, row := range map[string]struct {
		from   state
		event  func(w *wire, h *home)
		to     state
		sent   string // a part of what is sent
		hears  []string
		method string
	}{
		"asked Start":    {asked, func(w *wire, _ *home) { _ = w.Start(200, nil) }, begun, "head :status=200 more", nil, ""},
		"asked Respond":  {asked, func(w *wire, _ *home) { _ = w.Respond(204, nil, nil) }, finished, "head :status=204 end; done", []string{"error"}, ""},
		"asked Abort":    {asked, abort, refused, ":status=500", []string{"error"}, ""},
		"asked Finish":   {asked, func(w *wire, _ *home) { _ = w.Finish(nil) }, refused, ":status=500", []string{"error"}, ""},
		"asked mistake":  {asked, func(w *wire, _ *home) { _ = w.Start(200, wrong) }, refused, ":status=500", []string{"error"}, ""},
		"asked crash":    {asked, crash, refused, ":status=500", []string{"error", "cancel"}, ""},
		"asked late":     {asked, func(w *wire, h *home) { must(t, w.ReceiveEnd(nil)); w.turn.Begin(w.at.Awake()); later(w, h) }, refused, ":status=504", []string{"end", "cancel"}, ""},
		"asked Fail":     {asked, func(w *wire, _ *home) { w.Fail(refusal) }, refused, ":status=408", []string{"error", "cancel"}, ""},
		"asked body":     {asked, fails, refused, ":status=408", []string{"error", "cancel"}, ""},
		"asked Upgrade":  {asked, func(w *wire, _ *home) { _, _ = w.Upgrade(offer) }, upgraded, "head :status=200 more", nil, "CONNECT"},
		"begun Finish":   {begun, func(w *wire, _ *home) { _ = w.Finish(nil) }, finished, "data  end; done", []string{"error"}, ""},
		"begun Abort":    {begun, abort, aborted, "reset", []string{"error"}, ""},
		"begun mistake":  {begun, func(w *wire, _ *home) { _ = w.Start(200, nil) }, aborted, "reset", []string{"error"}, ""},
		"begun crash":    {begun, crash, aborted, "reset", []string{"error", "cancel"}, ""},
		"begun late":     {begun, func(w *wire, h *home) { w.HalfClosed(); later(w, h) }, aborted, "reset", []string{"cancel", "error", "cancel"}, ""},
		"begun a file":   {begun, func(w *wire, _ *home) { w.FileFailed(errTest) }, aborted, "reset", []string{"error"}, ""},
		"begun body":     {begun, fails, begun, "", []string{"error"}, ""},
		"asked half":     {asked, halve, asked, "", []string{"cancel", "error"}, ""},
		"begun half":     {begun, halve, begun, "", []string{"cancel", "error"}, ""},
		"asked Cancel":   {asked, leave, lost, "", []string{"error", "cancel"}, ""},
		"begun Cancel":   {begun, leave, lost, "", []string{"error", "cancel"}, ""},
		"over Cancel":    {finished, leave, finished, "", nil, ""},
		"over Abort":     {finished, abort, finished, "", nil, ""},
		"over half":      {finished, halve, finished, "", nil, ""},
		"lost Abort":     {lost, abort, lost, "", nil, ""},
		"lost Respond":   {lost, func(w *wire, _ *home) { _ = w.Respond(200, nil, nil) }, lost, "", nil, ""},
		"aborted Cancel": {aborted, leave, aborted, "", nil, ""},
		"refused Abort":  {refused, abort, refused, "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var heard []string
			method := row.method
			if method == "" {
				method = "POST"
			}
			w, h := begin(t, method, false, func(x asteri.Exchange) {
				x.OnCancel(func(error) { heard = append(heard, "cancel") })
				if method == "POST" {
					x.ReadBody(hearing{&heard})
				}
			})
			switch row.from {
			case begun, finished, aborted:
				must(t, w.Start(200, nil))
				if row.from == finished {
					must(t, w.Finish(nil))
				} else if row.from == aborted {
					w.Abort(errTest)
				}
			case lost:
				w.Cancel(asteri.ErrClientGone)
			case refused:
				w.Abort(errTest)
			}
			w.take()
			heard = nil
			row.event(w, h)
			got := w.take()
			if w.state != row.to || row.sent == "" && got != "" || !strings.Contains(got, row.sent) || !slices.Equal(heard, row.hears) {
				t.Errorf("state %d, sent %q, heard %q", w.state, got, heard)
			}
			if row.from == lost && !w.LetGo() {
				t.Error("whether the handler is done is not known")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hearing is a sink that notes how it ends.
type hearing struct{ heard *[]string }

func (hearing) OnBody([]byte)          {}
func (s hearing) OnEnd(*asteri.Header) { *s.heard = append(*s.heard, "end") }
func (s hearing) OnError(error)        { *s.heard = append(*s.heard, "error") }
