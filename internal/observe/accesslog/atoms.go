package accesslog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
)

// absent stands for a value that there is none of.
const absent = '-'

// atoms are gunicorn's names of values.
var atoms = map[string]atom{
	"h": remoteAddr,
	"l": func(dst []byte, _ *entry) []byte { return append(dst, absent) },
	"u": orAbsent(userName),
	"t": func(dst []byte, e *entry) []byte { return append(dst, e.format.stampOf(e.now).text...) },
	"r": requestLine,
	"m": ofRequest(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Method) }),
	"U": ofRequest(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Path) }),
	"q": ofRequest(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Query) }),
	"H": ofRequest(func(dst []byte, r *asteri.Request) []byte { return append(dst, r.Proto.String()...) }),
	"s": status,
	"b": func(dst []byte, e *entry) []byte {
		if e.Status == 0 {
			return append(dst, absent)
		}
		return strconv.AppendInt(dst, e.BytesOut, 10)
	},
	"B": func(dst []byte, e *entry) []byte { return strconv.AppendInt(dst, e.BytesOut, 10) },
	"f": requestField("Referer"),
	"a": requestField("User-Agent"),
	"T": elapsed(time.Second),
	"M": elapsed(time.Millisecond),
	"D": elapsed(time.Microsecond),
	"L": func(dst []byte, e *entry) []byte { return strconv.AppendFloat(dst, e.Duration.Seconds(), 'f', 6, 64) },
	"p": func(dst []byte, e *entry) []byte {
		return append(strconv.AppendInt(append(dst, '<'), int64(e.format.opts.PID), 10), '>')
	},
}

// ofRequest makes an atom that is absent for a refused head.
func ofRequest(a func([]byte, *asteri.Request) []byte) atom {
	return func(dst []byte, e *entry) []byte {
		if e.Request == nil {
			return append(dst, absent)
		}
		return a(dst, e.Request)
	}
}

func elapsed(unit time.Duration) atom {
	return func(dst []byte, e *entry) []byte { return strconv.AppendInt(dst, int64(e.Duration/unit), 10) }
}

func remoteAddr(dst []byte, e *entry) []byte {
	if !e.Peer.Remote.IsValid() {
		return append(dst, absent)
	}
	return e.Peer.Remote.Addr().Unmap().AppendTo(dst)
}

func requestLine(dst []byte, e *entry) []byte {
	r := e.Request
	if r == nil {
		return append(dst, absent)
	}
	dst = append(escape(dst, r.Method), ' ')
	dst = append(escape(dst, r.Target), ' ')
	return append(dst, r.Proto.String()...)
}

// colors of a status, by its first digit.
var colors = [...]string{2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: "\x1b[31m"}

func status(dst []byte, e *entry) []byte {
	code := e.LoggedStatus()
	if code == 0 {
		return append(dst, absent)
	}
	color := ""
	if class := code / 100; e.format.opts.Color && class < len(colors) {
		color = colors[class]
	}
	dst = strconv.AppendInt(append(dst, color...), int64(code), 10)
	if color != "" {
		dst = append(dst, "\x1b[0m"...)
	}
	return dst
}

// orAbsent makes an atom of one that may append nothing.
func orAbsent(a atom) atom {
	return func(dst []byte, e *entry) []byte {
		before := len(dst)
		if dst = a(dst, e); len(dst) == before {
			return append(dst, absent)
		}
		return dst
	}
}

// userName is the name given by Basic authentication (RFC 7617), whether or not the
// application has found it good. It appends nothing if there is none.
func userName(dst []byte, e *entry) []byte {
	if e.Request == nil {
		return dst
	}
	given := e.Request.Header.Get("Authorization")
	if given == nil {
		return dst
	}
	scheme, credentials, _ := bytes.Cut(given, []byte(" "))
	if !asteri.EqualFold(scheme, "basic") {
		return dst
	}
	plain, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(credentials))
	name, _, ok := bytes.Cut(plain, []byte(":"))
	if err != nil || !ok {
		return dst
	}
	return escape(dst, name)
}

func requestField(name string) atom {
	return func(dst []byte, e *entry) []byte {
		if e.Request == nil {
			return append(dst, absent)
		}
		return field(dst, &e.Request.Header, name)
	}
}

func responseField(name string) atom {
	return func(dst []byte, e *entry) []byte { return field(dst, e.Header, name) }
}

func field(dst []byte, h *asteri.Header, name string) []byte {
	v := h.Get(name)
	if v == nil {
		return append(dst, absent)
	}
	return escape(dst, v)
}

// variable makes an atom of a CGI variable (RFC 3875), as far as the server
// knows it: what an application adds to its environ stays there.
func variable(name string) (atom, error) {
	if field, ok := strings.CutPrefix(name, "HTTP_"); ok {
		return requestField(strings.ReplaceAll(field, "_", "-")), nil
	}
	if a, ok := variables[name]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("%%({%s}e)s is not known to the server; there are the CGI variables, HTTP_* and wsgi.url_scheme", name)
}

var variables = map[string]atom{
	"REQUEST_METHOD":  atoms["m"],
	"RAW_URI":         ofRequest(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Target) }),
	"REQUEST_URI":     ofRequest(func(dst []byte, r *asteri.Request) []byte { return escape(dst, r.Target) }),
	"PATH_INFO":       ofRequest(func(dst []byte, r *asteri.Request) []byte { return escape(dst, unquote(r.Path)) }),
	"QUERY_STRING":    atoms["q"],
	"SERVER_PROTOCOL": atoms["H"],
	"SERVER_SOFTWARE": func(dst []byte, e *entry) []byte { return append(dst, e.format.opts.Software...) },
	"SERVER_NAME": func(dst []byte, e *entry) []byte {
		return addr(dst, e.Peer.Local.IsValid(), e.Peer.Local.Addr().String())
	},
	"SERVER_PORT":     func(dst []byte, e *entry) []byte { return port(dst, e.Peer.Local.IsValid(), e.Peer.Local.Port()) },
	"REMOTE_ADDR":     remoteAddr,
	"REMOTE_PORT":     func(dst []byte, e *entry) []byte { return port(dst, e.Peer.Remote.IsValid(), e.Peer.Remote.Port()) },
	"CONTENT_TYPE":    requestField("Content-Type"),
	"CONTENT_LENGTH":  requestField("Content-Length"),
	"wsgi.url_scheme": ofRequest(func(dst []byte, r *asteri.Request) []byte { return append(dst, r.Scheme...) }),
}

func addr(dst []byte, valid bool, s string) []byte {
	if !valid {
		return append(dst, absent)
	}
	return append(dst, s...)
}

func port(dst []byte, valid bool, n uint16) []byte {
	if !valid {
		return append(dst, absent)
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}

// unquote decodes percent-encoding; what is not valid stays as it is.
func unquote(p []byte) []byte {
	if bytes.IndexByte(p, '%') < 0 {
		return p
	}
	plain := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if b, err := strconv.ParseUint(string(p[i+1:i+3]), 16, 8); err == nil {
				plain = append(plain, byte(b))
				i += 2
				continue
			}
		}
		plain = append(plain, p[i])
	}
	return plain
}
