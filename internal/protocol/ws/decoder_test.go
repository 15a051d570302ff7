package ws

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var testKey = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// masked makes frames of a client: each is an opcode, optionally with fin or rsv
// bits, and a payload.
type piece struct {
	b0      byte // fin and reserved bits, and opcode
	payload string
}

const fin = 0x80

func frames(pieces ...piece) []byte {
	var out []byte
	for _, p := range pieces {
		at := len(out)
		out = AppendMasked(out, Opcode(p.b0&0x0F), false, false, testKey, []byte(p.payload))
		out[at] = p.b0
	}
	return out
}

// outcome is what a decoder made of its input, in words.
func outcome(d *Decoder, in []byte, cut func(left int) int) string {
	var log []string
	for len(in) > 0 {
		part := bytes.Clone(in[:min(len(in), max(1, cut(len(in))))])
		for len(part) > 0 || d.Unpacking() {
			n, ev, err := d.Next(part)
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					panic(err)
				}
				return strings.Join(append(log, fmt.Sprintf("%d %s", e.Code, e.Reason)), "|")
			}
			if ev.Op != Continuation {
				log = append(log, fmt.Sprintf("%x:%s", ev.Op, ev.Data))
			}
			part, in = part[n:], in[n:]
		}
	}
	return strings.Join(log, "|")
}

func atOnce(left int) int { return left }
func byteByByte(int) int  { return 1 }

var decoderCases = []struct {
	name string
	in   []byte
	want string
}{
	{"text", frames(piece{fin | 1, "Hello"}), "1:Hello"},
	{"binary", frames(piece{fin | 2, "\xFF\xFE"}), "2:\xFF\xFE"},
	{"empty text", frames(piece{fin | 1, ""}), "1:"},
	{"two", frames(piece{fin | 1, "a"}, piece{fin | 2, "b"}), "1:a|2:b"},
	{"125", frames(piece{fin | 2, strings.Repeat("x", 125)}), "2:" + strings.Repeat("x", 125)},
	{"126", frames(piece{fin | 2, strings.Repeat("x", 126)}), "2:" + strings.Repeat("x", 126)},
	{"limit", frames(piece{fin | 2, strings.Repeat("x", 1000)}), "2:" + strings.Repeat("x", 1000)},
	{"beyond the limit", frames(piece{fin | 2, strings.Repeat("x", 1001)}), "1009 message is too big"},
	{"fragments beyond the limit", frames(piece{2, strings.Repeat("x", 600)}, piece{fin, strings.Repeat("x", 401)}), "1009 message is too big"},
	{"fragments", frames(piece{1, "Hel"}, piece{0, "l"}, piece{fin, "o"}), "1:Hello"},
	{"empty fragments", frames(piece{1, ""}, piece{0, ""}, piece{fin, "x"}), "1:x"},
	{"all fragments empty", frames(piece{2, ""}, piece{fin, ""}), "2:"},
	{"ping within a message", frames(piece{1, "a"}, piece{fin | 9, "p"}, piece{fin, "b"}), "9:p|1:ab"},
	{"pong", frames(piece{fin | 10, ""}), "a:"},
	{"close within a message", frames(piece{1, "a"}, piece{fin | 8, "\x03\xe8bye"}), "8:\x03\xe8bye"},
	{"text cut within a character", frames(piece{1, "\xE2\x82"}, piece{fin, "\xAC"}), "1:€"},
	{"text that ends too early", frames(piece{fin | 1, "ab\xE2\x82"}), "1007 text is not UTF-8"},
	{"text that ends too early, fragmented", frames(piece{1, "ab"}, piece{fin, "\xE2\x82"}), "1007 text is not UTF-8"},
	{"surrogate", frames(piece{fin | 1, "\xED\xA0\x80"}), "1007 text is not UTF-8"},
	{"wrong before its end", frames(piece{1, "\xF4\x90"}), "1007 text is not UTF-8"},
	{"binary is not checked", frames(piece{2, "\xF4\x90"}, piece{fin, ""}), "2:\xF4\x90"},
	{"RSV1", frames(piece{fin | 0x40 | 1, "a"}), "1002 reserved bit is set"},
	{"RSV2", frames(piece{fin | 0x20 | 1, "a"}), "1002 reserved bit is set"},
	{"RSV3 of a ping", frames(piece{fin | 0x10 | 9, ""}), "1002 reserved bit is set"},
	{"RSV1 of a continuation", frames(piece{1, "a"}, piece{fin | 0x40, "b"}), "1002 reserved bit is set"},
	{"opcode 3", frames(piece{fin | 3, ""}), "1002 unknown opcode"},
	{"opcode 11", frames(piece{fin | 11, ""}), "1002 unknown opcode"},
	{"long ping", frames(piece{fin | 9, strings.Repeat("x", 126)}), "1002 control frame is fragmented or too long"},
	{"fragmented ping", frames(piece{9, "x"}), "1002 control frame is fragmented or too long"},
	{"continuation of nothing", frames(piece{fin, "x"}), "1002 continuation of nothing"},
	{"message within a message", frames(piece{1, "x"}, piece{fin | 1, "y"}), "1002 message within a message"},
	{"not masked", []byte{fin | 1, 1, 'a'}, "1002 frame is not masked"},
	{"length of 5 in two bytes", []byte{fin | 2, 0x80 | 126, 0, 5, 0, 0, 0, 0}, "1002 length is not encoded as it should be"},
	{"length of 300 in eight bytes", append([]byte{fin | 2, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 44}, testKey[:]...), "1002 length is not encoded as it should be"},
	{"negative length", append([]byte{fin | 2, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 1, 44}, testKey[:]...), "1002 length is not encoded as it should be"},
}

func TestDecoder(t *testing.T) {
	for _, c := range decoderCases {
		t.Run(c.name, func(t *testing.T) {
			for how, cut := range map[string]func(int) int{"at once": atOnce, "byte by byte": byteByByte, "at random": rand.IntN} {
				d := Decoder{Limit: 1000}
				if got := outcome(&d, c.in, cut); got != c.want {
					t.Errorf("%s: got %q, want %q", how, got, c.want)
				}
			}
		})
	}
}

// What cannot become right any more is refused before the rest has come.
func TestDecoderFailsEarly(t *testing.T) {
	for name, in := range map[string][]byte{
		"text":   frames(piece{fin | 1, "\xCE\xBA\xE1\xBD\xB9\xF4\x90abc"})[:6+7],
		"length": frames(piece{fin | 2, strings.Repeat("x", 70000)})[:MaxHeader],
	} {
		d := Decoder{Limit: 1000}
		if got := outcome(&d, in, byteByByte); !strings.HasPrefix(got, "100") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestDecoderHoldsNothingBetweenMessages(t *testing.T) {
	d := Decoder{Limit: 1 << 20}
	outcome(&d, frames(piece{1, strings.Repeat("a", 5000)}, piece{fin, "b"}), byteByByte)
	d.Rest()
	if d.Held() != 0 || d.control != nil {
		t.Errorf("holds %d bytes", d.Held())
	}
	outcome(&d, frames(piece{1, "ab"}), atOnce)
	if d.Held() == 0 {
		t.Error("holds nothing of a message under way")
	}
	d.Discard()
	if d.Held() != 0 {
		t.Error("holds what it discarded")
	}
}

func TestClientDecoder(t *testing.T) {
	d := Decoder{Limit: 1000, Client: true}
	var in []byte
	in = append(AppendHeader(in, Text, true, false, 2), "ab"...)
	in = AppendClose(in, ServiceRestart, "soon")
	if got := outcome(&d, in, byteByByte); got != "1:ab|8:\x03\xf4soon" {
		t.Errorf("got %q", got)
	}
	if got := outcome(&d, frames(piece{fin | 1, ""}), atOnce); got != "1002 frame is masked" {
		t.Errorf("got %q", got)
	}
}

func TestMask(t *testing.T) {
	for n := range 100 {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(i)
		}
		for cut := range n + 1 {
			got := bytes.Clone(p)
			mask(got[cut:], mask(got[:cut], 0x3D21FA37))
			for i := range got {
				if got[i] != p[i]^testKey[i%4] {
					t.Fatalf("%d bytes cut at %d: %x", n, cut, got)
				}
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	for n, want := range map[int]string{
		0: "8200", 125: "827d", 126: "827e007e", 65535: "827effff", 65536: "827f0000000000010000", 1 << 24: "827f0000000001000000",
	} {
		h := AppendHeader(nil, Binary, true, false, n)
		if got := hex.EncodeToString(h); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
		parsed, err := parseHeader(h)
		if err != nil || parsed.length != int64(n) || parsed.op != Binary || !parsed.fin || headerSize(h[1]) != len(h) {
			t.Errorf("%d: read back as %+v, %v", n, parsed, err)
		}
	}
	if h := AppendHeader(nil, Text, false, true, 1); h[0] != 0x41 {
		t.Errorf("got %x", h)
	}
}

func TestClose(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "1005 ",
		"\x03\xe8":                            "1000 ",
		"\x03\xe8bye":                         "1000 bye",
		"\x0f\xa0":                            "4000 ",
		"\x13\x87":                            "4999 ",
		"\x03":                                "1002",
		"\x03\xe7":                            "1002", // 999
		"\x03\xec":                            "1002", // 1004
		"\x03\xed":                            "1002", // 1005
		"\x03\xee":                            "1002", // 1006
		"\x03\xf7":                            "1002", // 1015
		"\x07\xd0":                            "1002", // 2000
		"\x13\x88":                            "1002", // 5000
		"\x03\xe8\xff":                        "1007",
		"\x03\xf6" + strings.Repeat("r", 123): "1014 " + strings.Repeat("r", 123),
	} {
		code, reason, err := ParseClose([]byte(in))
		got := fmt.Sprintf("%d %s", code, reason)
		var e *Error
		if errors.As(err, &e) {
			got = fmt.Sprint(int(e.Code))
		}
		if got != want {
			t.Errorf("%x: got %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct {
		code   Code
		reason string
		want   string
	}{
		{NormalClosure, "", "\x88\x02\x03\xe8"},
		{NoStatus, "ignored", "\x88\x00"},
		{GoingAway, strings.Repeat("é", 80), "\x88\x7c\x03\xe9" + strings.Repeat("é", 61)},
	} {
		if got := string(AppendClose(nil, c.code, c.reason)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// FuzzDecoder: the outcome does not depend on how the input was cut, and memory is
// bounded by the limit.
func FuzzDecoder(f *testing.F) {
	for _, c := range decoderCases {
		f.Add(c.in, uint64(1), false)
	}
	f.Add(frames(piece{fin | 0x40 | 1, "\xf2\x48\xcd\xc9\xc9\x07\x00"}), uint64(2), true)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, deflate bool) {
		decoder := func() *Decoder {
			d := &Decoder{Limit: 1000}
			if deflate {
				d.Inflater = newInflater(10, seed%2 == 0)
			}
			return d
		}
		whole := decoder()
		want := outcome(whole, in, atOnce)
		if whole.Held() > 16<<10 {
			t.Errorf("holds %d bytes", whole.Held())
		}
		random := rand.New(rand.NewPCG(seed, 0))
		if got := outcome(decoder(), in, random.IntN); got != want {
			t.Errorf("cut at random: %q; at once: %q", got, want)
		}
	})
}
