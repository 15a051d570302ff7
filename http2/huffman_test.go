package http2

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// TestHuffmanText reads every symbol, alone and among others, and what is no code.
func TestHuffmanText(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, text := range [][]byte{nil, all, bytes.Repeat([]byte("/a?b=c&D%20"), 100)} {
		code := hpack.AppendHuffmanString(nil, string(text))
		if got, ok := appendHuffmanText([]byte("before:"), code); !ok || string(got) != "before:"+string(text) {
			t.Errorf("%q became %q, %v", text, got, ok)
		}
	}
	for i := range all {
		if got, ok := appendHuffmanText(nil, hpack.AppendHuffmanString(nil, string(all[i:i+1]))); !ok || !bytes.Equal(got, all[i:i+1]) {
			t.Errorf("symbol %d became %q, %v", i, got, ok)
		}
	}
	for name, code := range map[string][]byte{
		"padding of 8 bits":         {0x07, 0xff}, // '0', then no more than ones
		"padding with a zero":       {0x06},
		"end of the string":         {0xff, 0xff, 0xff, 0xff},
		"cut off":                   {0xff, 0xfe},
		"end of the string, within": {0xff, 0xff, 0xff, 0xfc, 0x07},
	} {
		if got, ok := appendHuffmanText(nil, code); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// FuzzHuffman compares with golang.org/x/net's decoder.
func FuzzHuffman(f *testing.F) {
	f.Add(hpack.AppendHuffmanString(nil, "www.example.com"))
	f.Add(hpack.AppendHuffmanString(nil, "\x00\xff\n\r\x16"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, code []byte) {
		want, err := hpack.HuffmanDecodeToString(code)
		got, ok := appendHuffmanText(nil, code)
		if ok != (err == nil) || ok && string(got) != want {
			t.Errorf("%x: %q, %v; golang.org/x/net has %q, %v", code, got, ok, want, err)
		}
	})
}

func BenchmarkHuffmanText(b *testing.B) {
	code := hpack.AppendHuffmanString(nil, "/articles/2024/index.html")
	b.Run("ours", func(b *testing.B) {
		var text []byte
		for b.Loop() {
			text, _ = appendHuffmanText(text[:0], code)
		}
	})
	b.Run("golang.org/x/net", func(b *testing.B) {
		var text bytes.Buffer
		for b.Loop() {
			text.Reset()
			_, _ = hpack.HuffmanDecode(&text, code)
		}
	})
}
