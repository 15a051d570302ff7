package proxyproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"
)

func v2(command, family byte, body string) string {
	b := append([]byte(nil), signatureV2...)
	b = append(b, 0x20|command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return string(b) + body
}

func vector(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// summed puts the right checksum behind body.
func summed(family byte, body string) string {
	h := []byte(v2(commandProxy, family, body+vector(typeCRC32C, "\x00\x00\x00\x00")))
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, castagnoli))
	return string(h)
}

const (
	inet  = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb" // 192.0.2.1:12345 to 198.51.100.2:443
	inet6 = " \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		" \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x30\x39\x01\xbb"
)

var unixPaths = "/tmp/a" + strings.Repeat("\x00", 102) + "/tmp/b" + strings.Repeat("\x00", 102)

// good are headers and what they say: version, local, source, destination.
var good = map[string]string{
	"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n":            "1 false 192.0.2.1:12345 198.51.100.2:443",
	"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "1 false 255.255.255.255:65535 255.255.255.255:65535",
	"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n":                         "1 false 0.0.0.0:0 0.0.0.0:0",
	"PROXY TCP6 2001:db8::1 2001:DB8::2 12345 443\r\n":           "1 false [2001:db8::1]:12345 [2001:db8::2]:443",
	"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n":    "1 false 192.0.2.1:1 198.51.100.2:2",
	"PROXY UNKNOWN\r\n": "1 false - -",
	"PROXY UNKNOWN ffff:f 65535 whatever, also \xff\r\n":                "1 false - -",
	v2(commandLocal, 0, ""):                                             "2 true - -",
	v2(commandLocal, 0xff, "what it says is to be discarded"):           "2 true - -",
	v2(commandLocal, 0x11, inet):                                        "2 true - -",
	v2(commandProxy, 0x00, ""):                                          "2 false - -",
	v2(commandProxy, 0x11, inet):                                        "2 false 192.0.2.1:12345 198.51.100.2:443",
	v2(commandProxy, 0x12, inet):                                        "2 false 192.0.2.1:12345 198.51.100.2:443",
	v2(commandProxy, 0x10, inet):                                        "2 false 192.0.2.1:12345 198.51.100.2:443",
	v2(commandProxy, 0x21, inet6):                                       "2 false [2001:db8::1]:12345 [2001:db8::2]:443",
	v2(commandProxy, 0x22, inet6):                                       "2 false [2001:db8::1]:12345 [2001:db8::2]:443",
	v2(commandProxy, 0x31, unixPaths):                                   "2 false - -",
	v2(commandProxy, 0x32, unixPaths):                                   "2 false - -",
	v2(commandProxy, 0x11, inet+vector(1, "h2")+vector(4, "")):          "2 false 192.0.2.1:12345 198.51.100.2:443",
	v2(commandProxy, 0x11, inet+vector(0xea, strings.Repeat("v", 900))): "2 false 192.0.2.1:12345 198.51.100.2:443",
	summed(0x11, inet):                                                  "2 false 192.0.2.1:12345 198.51.100.2:443",
	summed(0x21, inet6+vector(2, "example.org")):                        "2 false [2001:db8::1]:12345 [2001:db8::2]:443",
}

func (h Header) String() string {
	addr := func(a netip.AddrPort) string {
		if !a.IsValid() {
			return "-"
		}
		return a.String()
	}
	return fmt.Sprintf("%d %t %s %s", h.Version, h.Local, addr(h.Source), addr(h.Destination))
}

func TestParse(t *testing.T) {
	for in, want := range good {
		h, size, err := Any.Parse([]byte(in + "GET / HTTP/1.1\r\n"))
		if err != nil || size != len(in) || h.String() != want {
			t.Errorf("%q: %v, %d bytes, %v; want %s, %d bytes", in, h, size, err, want, len(in))
		}
	}
}

// However the header arrives, nothing is decided before it is whole.
func TestParseInPieces(t *testing.T) {
	for in := range good {
		for n := range len(in) {
			if h, size, err := Any.Parse([]byte(in[:n])); size != 0 || err != nil || h != (Header{}) {
				t.Fatalf("%q: %v, %d, %v", in[:n], h, size, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	wrong := []byte(summed(0x11, inet))
	wrong[len(wrong)-1] ^= 1
	for in, want := range map[string]Fault{
		"G":                      Missing,
		"GET / HTTP/1.1\r\n":     Missing,
		"POST":                   Missing,
		"PROXYTCP4":              Missing,
		"proxy TCP4 ":            Missing,
		"\r\nGET":                Missing,
		"\r\n\r\n\x00\r\nQUIT\r": Missing,
		"\x16\x03\x01":           Missing,
		"PROXY \n":               Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n": Malformed,
		"PROXY \r\n": Unsupported,
		"PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n":     Unsupported,
		"PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n":     Unsupported,
		"PROXY UNKNOWNS\r\n":                            Unsupported,
		"PROXY TCP4\r\n":                                Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n":       Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n":   Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n":    Malformed,
		"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n":    Malformed,
		"PROXY TCP4 192.0.2.1\t198.51.100.2 1 2\r\n":    Malformed,
		"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n":    Malformed,
		"PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n":   Malformed,
		"PROXY TCP4 2001:db8::1 198.51.100.2 1 2\r\n":   Malformed,
		"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n":     Malformed,
		"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n":           Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n":    Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n":    Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n": Malformed,
		"PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n":    Malformed,
		"PROXY UNKNOWN " + strings.Repeat("x", 93):      TooLong,
		string(signatureV2) + "\x11\x11\x00\x0c" + inet: Unsupported,
		string(signatureV2) + "\x31\x11\x00\x0c" + inet: Unsupported,
		v2(2, 0x11, inet):                               Unsupported,
		v2(commandProxy, 0x13, inet):                    Unsupported,
		v2(commandProxy, 0x41, inet):                    Unsupported,
		v2(commandProxy, 0x11, inet[:11]):               Malformed,
		v2(commandProxy, 0x21, inet6[:35]):              Malformed,
		v2(commandProxy, 0x31, unixPaths[:215]):         Malformed,
		v2(commandProxy, 0x11, inet+"\x01"):             Malformed,
		v2(commandProxy, 0x11, inet+"\x01\x00"):         Malformed,
		v2(commandProxy, 0x11, inet+"\x01\x00\x01"):     Malformed,
		v2(commandProxy, 0x11, inet+vector(3, "abc")):   Malformed,
		v2(commandProxy, 0x11, inet+vector(3, "abcd")):  Checksum,
		string(wrong):                            Checksum,
		string(signatureV2) + "\x20\x00\xff\xff": TooLong,
	} {
		h, size, err := Any.Parse([]byte(in))
		if err != want || size != 0 || h != (Header{}) {
			t.Errorf("%q: %v, %d, %v; want %v", in, h, size, err, want)
		}
	}
}

// A health check of Amazon's Network Load Balancer, as a user has captured it: LOCAL,
// and behind it a checksum and room that is not used.
func TestRecordedHealthCheck(t *testing.T) {
	header := v2(commandLocal, 0x11, "\x03\x00\x04\xbc\xe5\x95\x1f\x04\x00\x4a"+strings.Repeat("\x00", 74))
	h, size, err := Any.Parse([]byte(header + "GET "))
	if err != nil || size != len(header) || h.String() != "2 true - -" {
		t.Errorf("%v, %d, %v", h, size, err)
	}
	if err := checkVectors([]byte(header), fixedV2); err != nil {
		t.Error(err)
	}
}

func TestVersions(t *testing.T) {
	first, second := "PROXY UNKNOWN\r\n", v2(commandLocal, 0, "")
	for _, tc := range []struct {
		allowed Version
		in      string
		want    error
	}{{V1, first, nil}, {V1, second, Missing}, {V2, first, Missing}, {V2, second, nil}, {Any, first, nil}, {Any, second, nil}} {
		if _, _, err := tc.allowed.Parse([]byte(tc.in)); !errors.Is(err, tc.want) {
			t.Errorf("%v of %q: %v", tc.allowed, tc.in, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for in := range good {
		f.Add([]byte(in))
	}
	f.Add([]byte("PROXY TCP4 1.2.3.4 5.6.7.8 9 70000\r\n"))
	f.Add([]byte(v2(commandProxy, 0x11, inet+vector(3, "abcd"))))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, size, err := Any.Parse(in)
		switch {
		case err != nil && (size != 0 || h != Header{}):
			t.Fatalf("refused, but %v of %d bytes", h, size)
		case size > len(in) || size > MaxSize:
			t.Fatalf("%d bytes of %d", size, len(in))
		case size == 0 && err == nil && len(in) >= MaxSize:
			t.Fatal("asks for more than it would take")
		case h.Source.IsValid() != h.Destination.IsValid() || h.Local && h.Source.IsValid():
			t.Fatalf("half an answer: %v", h)
		}
		// The outcome does not depend on how the bytes arrive: no piece says
		// anything else than the whole.
		for n := range len(in) {
			ph, psize, perr := Any.Parse(in[:n])
			if psize == 0 && perr == nil {
				continue
			}
			if ph != h || psize != size || perr != err {
				t.Fatalf("%d bytes: %v, %d, %v; all: %v, %d, %v", n, ph, psize, perr, h, size, err)
			}
			break
		}
	})
}
