package refresh

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// Pages adds the script to the HTML pages that next answers clients on this machine with. It
// stands behind whatever codes content.
func (r *Refresher) Pages(next asteri.Handler) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		req := x.Request()
		if (req.Method != http.MethodGet && req.Method != http.MethodHead) || !isNavigation(&req.Header) || !local.Began(req, r.opts.Hosts) {
			next.ServeExchange(x)
			return
		}
		next.ServeExchange(&page{Exchange: x, refresher: r, version: r.version()})
	})
}

// isNavigation tells whether a browser is to show the answer: what a script has asked for is
// perhaps a part of a page. Who does not say may be a browser that is old.
func isNavigation(h *asteri.Header) bool {
	switch dest := string(h.Get("Sec-Fetch-Dest")); dest {
	case "", "document", "iframe", "frame":
		return true
	}
	return false
}

// page is the exchange that the next handler gets.
type page struct {
	asteri.Exchange
	refresher *Refresher
	version   string // when the request came
	header    asteri.Header
	element   []byte // to be added; nil for none
}

// Start begins the response. The element comes at its end: nobody knows how what is streamed
// goes on.
func (p *page) Start(status int, h *asteri.Header) error {
	return p.Exchange.Start(status, p.judge(status, h))
}

// Finish ends the response.
func (p *page) Finish(trailer *asteri.Header) error {
	if p.element != nil {
		element := p.element
		p.element = nil
		if _, err := p.Exchange.Write(element); err != nil {
			return err
		}
	}
	return p.Exchange.Finish(trailer)
}

// Respond answers in one call. The element comes before the end of the body.
func (p *page) Respond(status int, h *asteri.Header, body []byte) error {
	h = p.judge(status, h)
	if p.element == nil {
		return p.Exchange.Respond(status, h, body)
	}
	at := bodyEnd(body)
	whole := slices.Concat(body[:at], p.element, body[at:])
	p.element = nil
	return p.Exchange.Respond(status, h, whole)
}

// bodyEnd is where the last </body> of a document begins, or its end.
func bodyEnd(content []byte) int {
	const tag = "</body"
	for at := bytes.LastIndexByte(content, '<'); at >= 0; at = bytes.LastIndexByte(content[:at], '<') {
		if len(content)-at >= len(tag) && asteri.EqualFold(content[at:at+len(tag)], tag) {
			return at
		}
	}
	return len(content)
}

// judge decides whether a response gets the element, and returns its head.
func (p *page) judge(status int, h *asteri.Header) *asteri.Header {
	if !isPage(status, h) {
		return h
	}
	nonce, admitted := admits(h)
	if !admitted {
		p.refresher.warned.Do(func() {
			p.refresher.opts.Logger.Info("A page does not refresh by itself: its Content-Security-Policy admits no script or stream of the server's", "path", string(p.Request().Path))
		})
		return h
	}
	p.element = p.refresher.element(p.version, nonce)
	// No cache is to have the element of an old version. What a client may ask about is
	// no longer the content of the application.
	own := &p.header
	own.CopyFrom(h)
	for _, name := range []string{"ETag", "Last-Modified", "Accept-Ranges", "Cache-Control", "Expires"} {
		own.Del(name)
	}
	own.Add("Cache-Control", "no-store")
	if n, ok := httpfield.ParseLength(own.Get("Content-Length")); ok {
		own.Del("Content-Length")
		own.AddInt("Content-Length", n+int64(len(p.element)))
	}
	return own
}

// element is the script's element. A nonce is of those bytes that nonces have.
func (r *Refresher) element(version, nonce string) []byte {
	e := `<script src="` + r.opts.Path + `/refresh.js" data-version="` + version + `"`
	if nonce != "" {
		e += ` nonce="` + nonce + `"`
	}
	return []byte(e + "></script>\n")
}

// isPage tells whether a response is an HTML document that can be added to: whole, not coded,
// and nothing says what its bytes are.
func isPage(status int, h *asteri.Header) bool {
	if !httpfield.HasContent(status) || status == http.StatusPartialContent || status/100 == 3 || h == nil {
		return false
	}
	kind, parameters, _ := strings.Cut(strings.ToLower(string(h.Get("Content-Type"))), ";")
	if strings.TrimSpace(kind) != "text/html" || strings.Contains(parameters, "utf-16") {
		return false
	}
	for _, name := range []string{"Content-Encoding", "Content-Range", "Content-Digest", "Repr-Digest", "Digest", "Content-MD5"} {
		if h.Has(name) {
			return false
		}
	}
	for list := range h.Values("Cache-Control") {
		if httpfield.HasItem(list, "no-transform") {
			return false
		}
	}
	lengths := 0
	for length := range h.Values("Content-Length") {
		lengths++
		if _, ok := httpfield.ParseLength(length); !ok || lengths > 1 || len(length) > len(strconv.Itoa(1<<62)) {
			return false // whose mistake it is will be told
		}
	}
	return true
}
