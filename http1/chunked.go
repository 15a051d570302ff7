package http1

import (
	"math"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

// chunkState is where in the chunked coding (RFC 9112 section 7.1) the next byte
// stands.
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtName0
	chunkExtName
	chunkExtValue0
	chunkExtValue
	chunkExtQuoted
	chunkExtEscaped
	chunkExtClosed
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
)

const (
	// maxChunkDigits is enough for any size that fits.
	maxChunkDigits = 16
	// maxChunkExtra bounds the bytes that a body may spend on extensions.
	maxChunkExtra = 4 << 10
)

// nextChunked is next for the chunked coding. Chunk extensions are checked and
// ignored; white space in them, which the grammar tolerates, is a smuggling
// shape and refused, and so is a bare line feed.
func (b *bodyReader) nextChunked(p []byte, room int, at *local) bodyPart {
	i := 0
	for i < len(p) && b.chunk != chunkData && b.chunk != chunkTrailer {
		if refusal := b.chunkByte(p[i], at.Settings.Limits.Body); refusal != nil {
			return bodyPart{used: i, refusal: refusal}
		}
		i++
	}
	switch b.chunk {
	case chunkTrailer:
		part := b.readTrailer(p[i:], at)
		part.used += i
		return part
	case chunkData:
		n := int(min(int64(min(len(p)-i, room)), b.left))
		b.take(n)
		if b.left == 0 {
			b.chunk = chunkDataCR
		}
		return bodyPart{used: i + n, content: p[i : i+n]}
	}
	return bodyPart{used: i}
}

// unhex reads HEXDIG.
func unhex(c byte) (uint64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0'), true
	case 'a' <= c && c <= 'f':
		return uint64(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return uint64(c-'A') + 10, true
	}
	return 0, false
}

// chunkByte takes one byte that is neither content nor trailer.
func (b *bodyReader) chunkByte(c byte, limit int64) *asteri.StatusError {
	switch b.chunk {
	case chunkSize:
		if v, ok := unhex(c); ok {
			return b.sizeDigit(int64(v))
		}
		return b.sizeEnd(c, limit)
	case chunkSizeLF:
		if c != '\n' {
			return bad("chunk size line does not end with CR LF")
		}
		b.chunk = chunkData
		if b.left == 0 {
			b.chunk = chunkTrailer
		}
	case chunkDataCR:
		if c != '\r' {
			return bad("chunk is longer than its size")
		}
		b.chunk = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return bad("chunk does not end with CR LF")
		}
		b.chunk, b.left, b.digits = chunkSize, 0, 0
	default:
		return b.extensionByte(c)
	}
	return nil
}

func (b *bodyReader) sizeDigit(v int64) *asteri.StatusError {
	if b.digits++; b.digits > maxChunkDigits || b.left > math.MaxInt64>>4 {
		return bad("chunk size is too large")
	}
	b.left = b.left<<4 | v
	return nil
}

func (b *bodyReader) sizeEnd(c byte, limit int64) *asteri.StatusError {
	switch {
	case b.digits == 0:
		return bad("chunk size is not a hexadecimal number")
	case b.left > limit-b.received:
		return errBodySize()
	case c == '\r':
		b.chunk = chunkSizeLF
	case c == ';':
		b.chunk = chunkExtName0
	default:
		return bad("chunk size is not a hexadecimal number")
	}
	return nil
}

// extensionByte follows the grammar of section 7.1.1, without its white space:
// *( ";" token [ "=" ( token / quoted-string ) ] ).
func (b *bodyReader) extensionByte(c byte) *asteri.StatusError {
	if b.extra++; b.extra > maxChunkExtra {
		return bad("chunk extensions are too long")
	}
	token := httpfield.IsTokenByte(c)
	switch b.chunk {
	case chunkExtName0, chunkExtName:
		switch {
		case token:
			b.chunk = chunkExtName
			return nil
		case c == '=' && b.chunk == chunkExtName:
			b.chunk = chunkExtValue0
			return nil
		case b.chunk == chunkExtName:
			return b.extensionEnd(c)
		}
	case chunkExtValue0, chunkExtValue:
		switch {
		case token:
			b.chunk = chunkExtValue
			return nil
		case c == '"' && b.chunk == chunkExtValue0:
			b.chunk = chunkExtQuoted
			return nil
		case b.chunk == chunkExtValue:
			return b.extensionEnd(c)
		}
	case chunkExtQuoted:
		switch {
		case c == '"':
			b.chunk = chunkExtClosed
			return nil
		case c == '\\':
			b.chunk = chunkExtEscaped
			return nil
		case httpfield.IsValueByte(c):
			return nil
		}
	case chunkExtEscaped:
		if httpfield.IsValueByte(c) {
			b.chunk = chunkExtQuoted
			return nil
		}
	case chunkExtClosed:
		return b.extensionEnd(c)
	}
	return bad("invalid chunk extension")
}

func (b *bodyReader) extensionEnd(c byte) *asteri.StatusError {
	switch c {
	case ';':
		b.chunk = chunkExtName0
	case '\r':
		b.chunk = chunkSizeLF
	default:
		return bad("invalid chunk extension")
	}
	return nil
}

// readTrailer reads the trailer section and the empty line behind it. The
// section is used whole or not at all, so that its fields are in one piece.
func (b *bodyReader) readTrailer(p []byte, at *local) bodyPart {
	if b.trailer == nil {
		if len(p) >= 2 && p[0] == '\r' && p[1] == '\n' {
			b.kind = bodyDone
			return bodyPart{used: 2}
		}
		if len(p) == 0 {
			return bodyPart{}
		}
		b.trailer = at.takeHead()
		b.trailer.resetTrailer(&at.Settings.Limits)
	}
	h := b.trailer
	size, refusal := h.parse(p)
	if refusal == nil && size > 0 {
		refusal = h.checkTrailer()
	}
	if refusal != nil || size > 0 {
		b.trailer = nil
		defer at.putHead(h)
	}
	if refusal != nil || size == 0 {
		return bodyPart{refusal: refusal}
	}
	b.kind = bodyDone
	trailer := new(asteri.Header)
	h.copyFields(trailer, append([]byte(nil), p[:size]...))
	return bodyPart{used: size, trailer: trailer}
}
