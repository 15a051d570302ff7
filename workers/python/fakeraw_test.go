package python

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

const rawSwitch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: made up\r\nX-Raw: yes\r\n\r\n"

func (p *fakeProcess) startRaw(r fakeRequest) {
	if r.body != true {
		p.answer(r, 200, "no socket")
		return
	}
	f := os.NewFile(uintptr(<-p.files), "raw socket")
	p.raws.Go(func() {
		defer f.Close()
		p.raw(r, f)
	})
}

// raw does with a raw socket what the query says, and is done.
func (p *fakeProcess) raw(r fakeRequest, f *os.File) {
	done := func() { p.send(wire.FrameDone, 0, r.stream, []byte{}) }
	write := func(s string) { _, _ = io.WriteString(f, s) }
	what, arg, _ := strings.Cut(r.query, "=")
	switch what {
	case "echo":
		write(rawSwitch)
		_, _ = io.Copy(f, f)
	case "detached": // as Tornado does: the call returns at once
		write(rawSwitch)
		done()
		_, _ = io.Copy(f, f)
		return
	case "pieces":
		for i := range len(rawSwitch) {
			write(rawSwitch[i : i+1])
		}
		write("behind the head")
	case "interim":
		write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + rawSwitch)
	case "count": // what the client sends until it has sent all
		write(rawSwitch)
		n, _ := io.Copy(io.Discard, f)
		write(strconv.FormatInt(n, 10))
	case "flood":
		write(rawSwitch)
		n, _ := strconv.Atoi(arg)
		_, _ = f.Write(bytes.Repeat([]byte("r"), n))
	case "answers": // when the client has heard of the tunnel
		write(rawSwitch)
		_, _ = f.Read(make([]byte, 1))
		p.answer(r, 200, "from the link")
		return
	case "both": // the socket goes before the link
		write(rawSwitch + "from the socket")
		p.answer(r, 200, "from the link")
		return
	case "failing": // in a tunnel
		write(rawSwitch)
		p.send(wire.FrameError, 0, r.stream, []any{"ValueError: in the tunnel", "Traceback (fake)"})
	case "streams": // a response that nobody takes
		write(rawSwitch)
		p.start(r)
		p.data(r, 1000, wire.FlagEnd)
	case "refuse":
		write("HTTP/1.1 403 Forbidden\r\nX-Raw: yes\r\nContent-Type: text/plain\r\n\r\nnot you")
	case "length":
		write("HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot you, and more than announced")
	case "short":
		write("HTTP/1.1 403 Forbidden\r\nContent-Length: 70\r\n\r\nnot you")
	case "empty":
		write("HTTP/1.1 204 No Content\r\n\r\n")
	case "large":
		write("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("r", 4<<20))
	case "nothing":
	case "closes": // and answers as usual
		f.Close()
		p.answer(r, 200, "as usual")
		return
	case "normal":
		p.answer(r, 200, "as usual")
		return
	case "die":
		write(rawSwitch)
		_, _ = f.Read(make([]byte, 1))
		os.Exit(9)
	case "killedbefore":
		p.killed()
	case "silent": // until the client leaves
		_, _ = io.Copy(io.Discard, f)
	case "head": // whatever the test wants
		write(strings.NewReplacer("%20", " ", "%0D%0A", "\r\n").Replace(arg))
	case "endless":
		write("HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X: y\r\n", 100_000))
	}
	done()
}
