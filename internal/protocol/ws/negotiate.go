package ws

import (
	"iter"
	"strconv"
)

// Compression is how a server takes part in permessage-deflate.
type Compression uint8

const (
	// CompressionOn compresses each message by itself, both ways, so that an
	// idle connection needs no memory for it.
	CompressionOn Compression = iota
	// CompressionTakeover lets messages refer to earlier ones, as far as the
	// client agrees: they become smaller, and a connection keeps up to 40 KiB
	// of text.
	CompressionTakeover
	// CompressionOff refuses it.
	CompressionOff
)

const deflateName = "permessage-deflate"

// Deflate is what was agreed on with a client.
type Deflate struct {
	offer
	// Response is the value of the Sec-WebSocket-Extensions field.
	Response string
}

// offer is a client's offer, RFC 7692 section 7.1.
type offer struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             uint8 // 0 if not named
	clientBitsAllowed                  bool  // client_max_window_bits stands there
}

// Negotiate chooses among the offers in Sec-WebSocket-Extensions fields: the first
// that can be accepted. ok is false if there is none.
func (c Compression) Negotiate(fields iter.Seq[[]byte]) (agreed Deflate, ok bool) {
	if c == CompressionOff {
		return agreed, false
	}
	for value := range fields {
		for rest := value; len(rest) > 0; {
			var name []byte
			var o offer
			var valid bool
			name, o, valid, rest = parseOffer(rest)
			if valid && string(name) == deflateName {
				return c.accept(o), true
			}
		}
	}
	return agreed, false
}

// accept answers an offer. Where the server has a choice it takes what needs no
// memory, unless takeover is wanted.
func (c Compression) accept(o offer) Deflate {
	if c != CompressionTakeover {
		o.serverNoTakeover, o.clientNoTakeover = true, true
	}
	r := deflateName
	if o.serverNoTakeover {
		r += "; server_no_context_takeover"
	}
	if o.clientNoTakeover {
		r += "; client_no_context_takeover"
	}
	if o.serverBits != 0 {
		r += "; server_max_window_bits=" + strconv.Itoa(int(o.serverBits))
	}
	if o.clientBits != 0 {
		r += "; client_max_window_bits=" + strconv.Itoa(int(o.clientBits))
	}
	return Deflate{o, r}
}

// Deflater returns what compresses the server's messages.
func (a *Deflate) Deflater() *Deflater {
	return newDeflater(bitsOrFull(a.serverBits), !a.serverNoTakeover)
}

// Inflater returns what decompresses the client's messages.
func (a *Deflate) Inflater() *Inflater {
	return newInflater(bitsOrFull(a.clientBits), !a.clientNoTakeover)
}

func bitsOrFull(bits uint8) uint8 {
	if bits == 0 {
		return fullBits
	}
	return bits
}

// parseOffer reads one extension of a list, RFC 6455 section 9.1. valid is false
// if it is not an offer of permessage-deflate that may be accepted.
func parseOffer(p []byte) (name []byte, o offer, valid bool, rest []byte) {
	name, p = token(p)
	valid = len(name) > 0
	for {
		p = skipSpace(p)
		switch {
		case len(p) == 0:
			return name, o, valid, nil
		case p[0] == ',':
			return name, o, valid, p[1:]
		case p[0] != ';':
			return name, o, false, afterComma(p)
		}
		var param, value []byte
		var given bool
		param, p = token(p[1:])
		if p = skipSpace(p); len(p) > 0 && p[0] == '=' {
			given = true
			value, p = tokenOrQuoted(p[1:])
		}
		valid = o.set(param, value, given) && valid
	}
}

// set takes a parameter of an offer; each may stand there once.
func (o *offer) set(param, value []byte, given bool) bool {
	switch string(param) {
	case "server_no_context_takeover":
		repeated := o.serverNoTakeover
		o.serverNoTakeover = true
		return !given && !repeated
	case "client_no_context_takeover":
		repeated := o.clientNoTakeover
		o.clientNoTakeover = true
		return !given && !repeated
	case "server_max_window_bits":
		repeated := o.serverBits != 0
		o.serverBits = windowBits(value)
		return o.serverBits != 0 && !repeated
	case "client_max_window_bits":
		repeated := o.clientBitsAllowed
		o.clientBitsAllowed = true
		if given {
			o.clientBits = windowBits(value)
		}
		return (!given || o.clientBits != 0) && !repeated
	}
	return false
}

// windowBits reads 8 to 15, without leading zeros; 0 for anything else.
func windowBits(p []byte) uint8 {
	switch {
	case len(p) == 1 && (p[0] == '8' || p[0] == '9'):
		return p[0] - '0'
	case len(p) == 2 && p[0] == '1' && '0' <= p[1] && p[1] <= '5':
		return 10 + p[1] - '0'
	}
	return 0
}

func skipSpace(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	return p
}

func token(p []byte) (tok, rest []byte) {
	p = skipSpace(p)
	n := 0
	for n < len(p) && isTokenChar(p[n]) {
		n++
	}
	return p[:n], p[n:]
}

// tokenOrQuoted reads a token, or a quoted string whose content is one.
func tokenOrQuoted(p []byte) (value, rest []byte) {
	p = skipSpace(p)
	if len(p) == 0 || p[0] != '"' {
		return token(p)
	}
	value, rest = token(p[1:])
	if len(rest) == 0 || rest[0] != '"' {
		return nil, rest
	}
	return value, rest[1:]
}

// afterComma skips what is malformed up to the next extension.
func afterComma(p []byte) []byte {
	for i, c := range p {
		if c == ',' {
			return p[i+1:]
		}
	}
	return nil
}

// isTokenChar tells the characters of a token, RFC 9110 section 5.6.2.
func isTokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}
