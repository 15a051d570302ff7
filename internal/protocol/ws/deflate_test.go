package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// samples are messages that differ in what a compressor makes of them.
func samples() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 40000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	words := []byte(strings.Repeat("the quick brown fox jumps over the lazy dog. ", 3000))
	for i := 0; i < len(words); i += 97 {
		words[i] = byte('a' + random.IntN(26))
	}
	return [][]byte{nil, []byte("a"), []byte("Hello"), bytes.Repeat([]byte("ab"), 200), noise, words, make([]byte, 1<<20), words[:100], noise[:300]}
}

// inflate unpacks a message in steps.
func inflate(z *Inflater, wire []byte, limit int) (out []byte, err error) {
	r := z.begin(&buffer{p: wire})
	defer r.giveBack()
	for complete := false; err == nil && !complete; {
		out, complete, err = z.step(r, out, limit, 1<<10)
	}
	return out, err
}

// TestDeflate sends messages through a deflater and an inflater under every
// window, whole and in fragments.
func TestDeflate(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		for bits := uint8(8); bits <= 15; bits++ {
			out, in := newDeflater(bits, takeover), newInflater(bits, takeover)
			for i, message := range samples() {
				var wire []byte
				if half := len(message) / 2; i%2 == 0 {
					wire = out.Append(nil, message[:half], false)
					wire = out.Append(wire, message[half:], true)
				} else {
					wire = out.Append(nil, message, true)
				}
				got, err := inflate(in, wire, len(message))
				if err != nil || !bytes.Equal(got, message) {
					t.Fatalf("takeover %t, %d bits, message %d: got %d bytes, %v", takeover, bits, i, len(got), err)
				}
			}
		}
	}
}

// A reader with a window as small as agreed on must be able to follow: distances
// are looked at by giving one no more than that.
func TestDeflateKeepsToItsWindow(t *testing.T) {
	const bits = 9
	d := newDeflater(bits, true)
	var text []byte
	for _, message := range samples() {
		wire := append(d.Append(nil, message, true), endTail...)
		context := text[max(0, len(text)-1<<bits):]
		got, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(wire), context))
		if err != nil || !bytes.Equal(got, message) {
			t.Fatalf("got %d bytes of %d, %v", len(got), len(message), err)
		}
		text = append(text, message...)
	}
}

func TestTakeoverMakesMessagesSmaller(t *testing.T) {
	message := []byte(`{"event":"moved","player":"somebody","position":{"x":17,"y":4}}`)
	d := newDeflater(15, true)
	first, second := len(d.Append(nil, message, true)), len(d.Append(nil, message, true))
	if second >= first/2 {
		t.Errorf("first %d bytes, second %d", first, second)
	}
	d.Rest()
	if len(d.context.text) != 0 {
		t.Error("still holds text")
	}
	if third := len(d.Append(nil, message, true)); third != first {
		t.Errorf("after a rest: %d bytes, first %d", third, first)
	}
}

// The examples of RFC 7692 section 7.2.3, and what a stateful compressor sends.
func TestInflateOthers(t *testing.T) {
	z := newInflater(15, true)
	for _, c := range []struct{ name, wire, want string }{
		{"one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"sharing the window", "\xf2\x00\x11\x00\x00", "Hello"},
		{"no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"a block marked as the last", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"last blocks in a row", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
		{"last block, then the window", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", "HelloHello"},
		{"empty", "\x00", ""},
	} {
		wire := []byte(c.wire)
		got, err := inflate(z, wire, 100)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
	for name, wire := range map[string]string{
		"reserved block": "\x06", "cut": "\xf2\x48\xcd", "many last blocks": strings.Repeat("\x03\x00", 1000) + "\x00",
	} {
		p := []byte(wire)
		if got, err := inflate(z, p, 1<<20); err != errDeflated {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// A bomb is not unpacked farther than its limit.
func TestInflateBomb(t *testing.T) {
	const limit = 1 << 20
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 9)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(make([]byte, 200*limit))
	_ = w.Flush()
	bomb := bytes.TrimSuffix(out.Bytes(), []byte(syncTail))
	d := Decoder{Limit: limit, Inflater: newInflater(15, false)}
	frame := AppendMasked(nil, Binary, true, true, testKey, bomb)
	if got := outcome(&d, frame, atOnce); got != "1009 message is too big" {
		t.Errorf("got %.50q", got)
	}
	if d.Held() > 4*limit {
		t.Errorf("holds %d bytes", d.Held())
	}
}

// A large message is unpacked a piece with each call, and nothing behind it is taken
// before.
func TestDecoderInflatesInSteps(t *testing.T) {
	message := strings.Repeat("grüße ", 200_000)
	wire := newDeflater(15, false).Append(nil, []byte(message), true)
	in := append(AppendMasked(nil, Text, true, true, testKey, wire), frames(piece{fin | 9, "p"})...)
	d := Decoder{Limit: len(message), Inflater: newInflater(15, false)}
	n, steps := 0, 0
	for {
		used, ev, err := d.Next(in[n:])
		n += used
		steps++
		if err != nil || d.Unpacked() > unpackStep {
			t.Fatalf("step %d: %d bytes unpacked, %v", steps, d.Unpacked(), err)
		}
		if steps > 1 && used != 0 {
			t.Fatalf("step %d took %d bytes", steps, used)
		}
		if ev.Op == Text {
			if string(ev.Data) != message {
				t.Fatal("another message")
			}
			break
		}
		if !d.Unpacking() || d.Held() < steps*unpackStep {
			t.Fatalf("step %d: holds %d bytes", steps, d.Held())
		}
	}
	if want := (len(message) + unpackStep - 1) / unpackStep; steps != want && steps != want+1 {
		t.Errorf("%d steps, want %d", steps, want)
	}
	if got := outcome(&d, in[n:], atOnce); got != "9:p" {
		t.Errorf("got %q", got)
	}
	d.Rest()
	if d.Held() != 0 || d.Unpacking() {
		t.Errorf("holds %d bytes", d.Held())
	}
	// One that is given up lets go of everything.
	if _, _, err := d.Next(AppendMasked(nil, Text, true, true, testKey, wire)); err != nil || !d.Unpacking() {
		t.Fatalf("unpacking %t, %v", d.Unpacking(), err)
	}
	d.Discard()
	if d.Held() != 0 || d.Unpacking() {
		t.Errorf("holds %d bytes", d.Held())
	}
}

func TestDecoderInflates(t *testing.T) {
	d := Decoder{Limit: 100, Inflater: newInflater(15, false)}
	in := frames(
		piece{0x40 | 1, "\xf2\x48\xcd"}, piece{fin | 9, "p"}, piece{fin, "\xc9\xc9\x07\x00"},
		piece{fin | 1, "plain"}, piece{fin | 0x40 | 2, "\x00"}, piece{fin | 0x40 | 1, "\xaa\x06\x00"},
	)
	want := "9:p|1:Hello|1:plain|2:|1007 compressed data is corrupt"
	for _, cut := range []func(int) int{atOnce, byteByByte} {
		d := d
		if got := outcome(&d, in[:len(in)-9], cut) + "|1007 compressed data is corrupt"; got != want {
			t.Errorf("got %q", got)
		}
	}
	invalid := newDeflater(15, false).Append(nil, []byte("\xFF"), true)
	if got := outcome(&d, frames(piece{fin | 0x40 | 1, string(invalid)}), atOnce); got != "1007 text is not UTF-8" {
		t.Errorf("got %q", got)
	}
}

func TestNegotiate(t *testing.T) {
	const both = "; server_no_context_takeover; client_no_context_takeover"
	for _, c := range []struct{ offer, on, takeover string }{
		{"permessage-deflate", "permessage-deflate" + both, "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate" + both, "permessage-deflate"},
		{" permessage-deflate ;server_max_window_bits=10", "permessage-deflate" + both + "; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{`permessage-deflate; client_max_window_bits="9"`, "permessage-deflate" + both + "; client_max_window_bits=9", "permessage-deflate; client_max_window_bits=9"},
		{"permessage-deflate; server_no_context_takeover", "permessage-deflate" + both, "permessage-deflate; server_no_context_takeover"},
		{"permessage-deflate; client_no_context_takeover", "permessage-deflate" + both, "permessage-deflate; client_no_context_takeover"},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate" + both, "permessage-deflate"},
		{"x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover", "permessage-deflate" + both, "permessage-deflate; client_no_context_takeover"},
		{"permessage-deflate; server_max_window_bits", "", ""},
		{"permessage-deflate; server_max_window_bits=08", "", ""},
		{"permessage-deflate; server_max_window_bits=16", "", ""},
		{"permessage-deflate; server_no_context_takeover=1", "", ""},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "", ""},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits", "", ""},
		{"permessage-deflate; unknown", "", ""},
		{"permessage-deflate; client_max_window_bits=\"9", "", ""},
		{"permessage-bzip2", "", ""},
		{"", "", ""},
		{";,;=@, ,", "", ""},
	} {
		fields := func(yield func([]byte) bool) { _ = yield([]byte("mux")) && yield([]byte(c.offer)) }
		for how, want := range map[Compression]string{CompressionOff: "", CompressionOn: c.on, CompressionTakeover: c.takeover} {
			got, ok := how.Negotiate(fields)
			if got.Response != want || ok != (want != "") {
				t.Errorf("%q, %d: got %q, want %q", c.offer, how, got.Response, want)
			}
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add([]byte(`permessage-deflate; client_max_window_bits="9"; server_no_context_takeover, x; y=z`))
	f.Fuzz(func(t *testing.T, value []byte) {
		fields := func(yield func([]byte) bool) { yield(value) }
		a, ok := CompressionTakeover.Negotiate(fields)
		if !ok {
			return
		}
		again, ok := CompressionTakeover.Negotiate(func(yield func([]byte) bool) { yield([]byte(a.Response)) })
		if !ok || again.Response != a.Response {
			t.Errorf("%q was answered %q, which is no offer: %q", value, a.Response, again.Response)
		}
	})
}

// FuzzInflate: any bytes give text or an error, within the limit; what is taken
// agrees with the standard library.
func FuzzInflate(f *testing.F) {
	for _, message := range samples()[:4] {
		f.Add(newDeflater(15, false).Append(nil, message, true))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		const limit = 1 << 16
		in := bytes.Clone(wire)
		got, err := inflate(newInflater(15, false), in, limit)
		if err != nil {
			return
		}
		if len(got) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		want, err := io.ReadAll(io.LimitReader(flate.NewReader(io.MultiReader(bytes.NewReader(wire), strings.NewReader(endTail))), limit))
		if err != nil || !bytes.HasPrefix(got, want) {
			t.Errorf("got %x, the standard library %x, %v", got, want, err)
		}
	})
}
