package http2

import (
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// The Huffman code of HPACK, RFC 7541 appendix B. It is canonical: codes of one
// length are consecutive numbers, in the order of their symbols, and above all that
// are shorter. So a code of up to shortCode bits is looked up, and a longer one is
// compared with the last of each length. The tables are made from the codes that
// golang.org/x/net has; its decoder, which walks a tree, takes twice as long.

const (
	shortCode = 8
	longCode  = 30
)

// huffman is the code as tables.
type huffman struct {
	// short holds for the next 8 bits the symbol that they begin with, and of how many
	// bits it is, 0 if of more.
	short [1 << shortCode]struct{ symbol, bits uint8 }
	// long holds for each number of bits the code behind the last of them, set to the
	// left of 32 bits, and what to take from a code for its place in symbols.
	long [longCode + 1]struct{ end, offset uint32 }
	// symbols are those with more than shortCode bits, in the order of their codes.
	symbols []uint8
}

var huffmanCode = makeHuffman()

func makeHuffman() *huffman {
	h := new(huffman)
	var of [longCode + 1][]int // symbols, by the number of bits
	for symbol := range 256 {
		bits, code := codeOf(symbol)
		of[bits] = append(of[bits], symbol)
		if bits > shortCode {
			continue
		}
		for i := range 1 << (shortCode - bits) {
			h.short[int(code)<<(shortCode-bits)+i] = struct{ symbol, bits uint8 }{uint8(symbol), uint8(bits)}
		}
	}
	for bits := shortCode + 1; bits <= longCode; bits++ {
		if len(of[bits]) == 0 {
			continue
		}
		_, first := codeOf(of[bits][0])
		h.long[bits].end = (first + uint32(len(of[bits]))) << (32 - bits)
		h.long[bits].offset = first - uint32(len(h.symbols))
		for _, symbol := range of[bits] {
			h.symbols = append(h.symbols, uint8(symbol))
		}
	}
	return h
}

// codeOf returns the code of a symbol and of how many bits it is: 8 times the
// symbol is as many bytes.
func codeOf(symbol int) (bits int, code uint32) {
	p := hpack.AppendHuffmanString(nil, strings.Repeat(string([]byte{byte(symbol)}), 8))
	for _, b := range append(p[:min(len(p), 4):4], 0, 0, 0)[:4] {
		code = code<<8 | uint32(b)
	}
	return len(p), code >> (32 - len(p))
}

// appendHuffmanText appends what p is the code of. It is not ok if p is not a code,
// or is not padded as section 5.2 says.
func appendHuffmanText(dst, p []byte) (text []byte, ok bool) {
	dst = slices.Grow(dst, len(p)*8/5) // no code is of less than 5 bits
	var next uint64                    // the bits to come, from the highest
	n := 0                             // how many there are
	for {
		if n < longCode {
			next, n, p = huffmanBits(next, n, p)
		}
		code := huffmanCode.short[next>>(64-shortCode)]
		if code.bits == 0 {
			code.symbol, code.bits = huffmanCode.longSymbol(uint32(next >> 32))
		}
		if int(code.bits) > n || code.bits == 0 {
			break
		}
		dst = append(dst, code.symbol)
		next <<= code.bits & 63
		n -= int(code.bits)
	}
	padding := ^uint64(0) << (64 - n)
	return dst, n < 8 && next == padding
}

// huffmanBits takes bits from p, behind the n < longCode in next.
func huffmanBits(next uint64, n int, p []byte) (uint64, int, []byte) {
	if len(p) >= 4 {
		return next | uint64(binary.BigEndian.Uint32(p))<<((32-n)&63), n + 32, p[4:]
	}
	for _, b := range p {
		next |= uint64(b) << ((56 - n) & 63)
		n += 8
	}
	return next, n, nil
}

// longSymbol returns the symbol that bits begin with, and of how many it is: 0 if
// there is none, or if it is the end of the string, which may not be in it.
func (h *huffman) longSymbol(bits uint32) (symbol, n uint8) {
	for n := shortCode + 1; n <= longCode; n++ {
		if l := &h.long[n]; bits < l.end {
			return h.symbols[bits>>(32-n)-l.offset], uint8(n)
		}
	}
	return 0, 0
}
