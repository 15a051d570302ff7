package marshal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// encode builds a document from a tree as Decode returns it; a string in
// angle brackets is written as a latin-1 str.
func encode(e *Encoder, v any) {
	switch v := v.(type) {
	case nil:
		e.None()
	case bool:
		e.Bool(v)
	case int:
		e.Int(int64(v))
	case int64:
		e.Int(v)
	case float64:
		e.Float(v)
	case string:
		e.Str(v)
	case []byte:
		e.Bytes(v)
	case *Atom:
		e.Atom(v)
	case []any:
		e.Tuple(len(v))
		for _, x := range v {
			encode(e, x)
		}
	case map[string]any:
		e.Dict()
		for k, x := range v {
			e.Str(k)
			encode(e, x)
		}
		e.EndDict()
	default:
		panic("no such type")
	}
}

func document(v any) []byte {
	var e Encoder
	encode(&e, v)
	return e.Buf
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	long := strings.Repeat("x", 300)
	many := make([]any, 300)
	for i := range many {
		many[i] = int64(i)
	}
	values := []any{
		nil, true, false, int64(0), int64(-1), int64(math.MaxInt32), int64(math.MinInt32),
		int64(math.MaxInt32) + 1, int64(math.MinInt32) - 1, int64(math.MaxInt64), int64(-math.MaxInt64),
		0.0, -1.5, math.Inf(1), "", "abc", "é", "日本", long, long + "ü", []byte{}, []byte("\x00\xff"),
		[]any{}, []any{int64(1), "a", []byte("b"), []any{nil}}, many,
		map[string]any{}, map[string]any{"a": int64(1), "b": []any{map[string]any{"c": nil}}},
	}
	for _, v := range values {
		got, err := Decode(document(v))
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%v: got %v, %v", v, got, err)
		}
	}
}

func TestLatin1(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, p := range [][]byte{nil, []byte("plain"), all, all[0x80:0xC0], bytes.Repeat([]byte("a"), 300)} {
		var e Encoder
		e.Latin1(p)
		var w Walker
		w.Reset(e.Buf, 1, 1<<10)
		var v Value
		if err := w.Next(&v); err != nil {
			t.Fatal(err)
		}
		got, ok := v.AppendLatin1(nil)
		if !ok || !bytes.Equal(got, p) {
			t.Errorf("%q: got %q, %v", p, got, ok)
		}
	}
	for _, s := range []string{"Ā", "日", "a\xC3", "\xC2\x20", "\x80", "\xE9"} {
		v := Value{Kind: Str, Data: []byte(s)}
		if out, ok := v.AppendLatin1(nil); ok {
			t.Errorf("%q passed as latin-1: %q", s, out)
		}
	}
	if _, ok := (&Value{Kind: Int}).AppendLatin1(nil); ok {
		t.Error("an int passed as text")
	}
}

func TestAtomIsWrittenOnceInADocument(t *testing.T) {
	var set Atoms
	host, get, raw := set.New("HTTP_HOST"), set.New("GET"), set.NewBytes("host")
	var e Encoder
	for range 2 { // the second document must not refer to the first
		e.Reset(e.Buf[:0], &set)
		encode(&e, []any{host, get, raw, host, []any{get, raw, host}})
		if n := bytes.Count(e.Buf, []byte("HTTP_HOST")); n != 1 {
			t.Errorf("the atom was written %d times", n)
		}
		got, err := Decode(e.Buf)
		want := []any{"HTTP_HOST", "GET", []byte("host"), "HTTP_HOST", []any{"GET", []byte("host"), "HTTP_HOST"}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

func TestPatchList(t *testing.T) {
	e := Encoder{Buf: []byte("head")}
	at := e.List(0)
	e.Int(1)
	e.Int(2)
	e.PatchList(at, 2)
	got, err := Decode(e.Buf[4:])
	if err != nil || !reflect.DeepEqual(got, []any{int64(1), int64(2)}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestRefusedInput(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("2901", n) + "4e" }
	cases := map[string]string{
		"empty":                    "",
		"cut int":                  "69 01 02",
		"cut short str":            "7a 05 61",
		"short str without length": "7a",
		"bytes beyond the end":     "73 ff ff ff 7f 61",
		"tuple beyond the end":     "28 ff ff ff ff",
		"list beyond the end":      "5b ff ff ff 7f 4e",
		"small tuple cut":          "29",
		"code object":              "63 00 00 00 00",
		"set":                      "3c 01 00 00 00 4e",
		"reference to nothing":     "72 00 00 00 00",
		"reference later":          "29 02 72 00 00 00 00 da 01 61",
		"contains itself":          "a9 01 72 00 00 00 00",
		"too deep":                 nested(MaxDepth + 1),
		"trailing byte":            "4e 4e",
		"end of no dict":           "30",
		"end of dict in a tuple":   "29 01 30",
		"dict key without value":   "7b 7a 01 61 30",
		"dict with an int key":     "7b 69 01 00 00 00 4e 30",
		"dict without end":         "7b 7a 01 61 4e",
		"int of six digits":        "6c 06 00 00 00 01 00 01 00 01 00 01 00 01 00 01 00",
		"int digit too large":      "6c 01 00 00 00 ff ff",
		"int above 63 bits":        "6c 05 00 00 00 00 00 00 00 00 00 00 00 08 00",
		"cut float":                "67 00 00",
	}
	for name, in := range cases {
		v, err := Decode(unhex(in))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
		if walkAll(unhex(in), 1000) == nil {
			t.Errorf("%s: the walker accepted it", name)
		}
	}
	if _, err := Decode(unhex(nested(MaxDepth))); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
}

// walkAll reads in to its end.
func walkAll(in []byte, max int) error {
	var w Walker
	w.Reset(in, max, 1<<20)
	var v Value
	if err := w.Next(&v); err != nil {
		return err
	}
	if err := w.Skip(&v); err != nil {
		return err
	}
	return w.End()
}

// tree rebuilds what Decode returns from a walker.
func tree(w *Walker) (any, error) {
	var v Value
	if err := w.Next(&v); err != nil {
		return nil, err
	}
	switch v.Kind {
	case None:
		return nil, nil
	case Bool:
		return v.Int == 1, nil
	case Int:
		return v.Int, nil
	case Float:
		return v.Float(), nil
	case Bytes:
		return append([]byte{}, v.Data...), nil
	case Str:
		return string(v.Data), nil
	}
	seq := make([]any, v.Int)
	for i := range seq {
		var err error
		if seq[i], err = tree(w); err != nil {
			return nil, err
		}
	}
	return seq, nil
}

func TestWalkerFollowsReferences(t *testing.T) {
	// ((<0>("a"<1>, "b"<2>)), ref 0, (ref 1, ref 0), "c"<3>, ref 3, ref 2)
	in := unhex("29 06 a9 02 da 01 61 fa 01 62 72 00000000 29 02 72 01000000 72 00000000 fa 01 63 72 03000000 72 02000000")
	want := []any{[]any{"a", "b"}, []any{"a", "b"}, []any{"a", []any{"a", "b"}}, "c", "c", "b"}
	var w Walker
	for range 2 {
		w.Reset(in, 100, 1000)
		got, err := tree(&w)
		if err != nil || w.End() != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %v, %v", got, err, w.End())
		}
	}
	got, err := Decode(in)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Decode got %v, %v", got, err)
	}
}

func TestWalkerBoundsExpansion(t *testing.T) {
	// Each tuple holds the one before it twice: 2^n objects from 13 n bytes.
	in := unhex("29 10 a9 00")
	for i := range byte(15) {
		in = append(in, 0xa9, 2, typeRef, i, 0, 0, 0, typeRef, i, 0, 0, 0)
	}
	if err := walkAll(in, 1000); err == nil {
		t.Error("no bound on expansion")
	}
	if _, err := Decode(in); err == nil {
		t.Error("no bound on what a tree expands to")
	}
	if _, err := Decode(append(unhex("29 0a"), in[2:2+2+9*12]...)); err != nil {
		t.Error("Decode shares what is referenced:", err)
	}
}

// TestDataBoundsExpansion: many references to one long text.
func TestDataBoundsExpansion(t *testing.T) {
	const length, times = 1 << 20, 100
	var e Encoder
	e.Tuple(times)
	at := len(e.Buf)
	e.Bytes(make([]byte, length))
	e.Buf[at] |= flagRef
	for range times - 1 {
		e.Buf = append(e.Buf, typeRef, 0, 0, 0, 0)
	}
	if _, err := Decode(e.Buf); err == nil {
		t.Error("no bound on what a tree expands to")
	}
	var w Walker
	for limit, fits := range map[int]bool{times*length - 1: false, times * length: true} {
		w.Reset(e.Buf, 1000, limit)
		if _, err := tree(&w); (err == nil) != fits {
			t.Errorf("%d bytes of %d: %v", limit, times*length, err)
		}
	}
}

func TestSkip(t *testing.T) {
	in := document([]any{[]any{}, []any{int64(1), []any{int64(2), "x"}}, "last"})
	var w Walker
	w.Reset(in, 100, 1000)
	var v Value
	for _, want := range []Kind{Tuple, Tuple, Tuple, Str} {
		if err := w.Next(&v); err != nil || v.Kind != want {
			t.Fatalf("got %v, %v", v, err)
		}
		if v.Int != 3 {
			if err := w.Skip(&v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if string(v.Data) != "last" || w.End() != nil {
		t.Errorf("ended at %q, %v", v.Data, w.End())
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	in := unhex("5b 01000000 29 04 e9 01000000 69 c8000000 29 02 da 01 61 72 01000000 73 02000000 6869")
	var w Walker
	if err := walkAll(in, 100); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		w.Reset(in, 100, 1000)
		var v Value
		for range 8 {
			if err := w.Next(&v); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(document([]any{int64(1), "é", []byte("b"), map[string]any{"k": []any{nil, true}}}))
	f.Add(unhex("29 06 a9 02 da 01 61 fa 01 62 72 00000000 29 02 72 01000000 72 00000000 fa 01 63 72 03000000 72 02000000"))
	f.Add(unhex("6c 05 00 00 00 00 00 00 00 00 00 00 00 07 00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		fromTree, treeErr := Decode(in)
		var w Walker
		w.Reset(in, 1<<12, 1<<20)
		fromWalk, walkErr := tree(&w)
		if walkErr == nil {
			walkErr = w.End()
		}
		// The walker refuses dicts and long expansions; for the rest, both
		// must agree.
		if walkErr == nil && treeErr == nil && !reflect.DeepEqual(fromTree, fromWalk) && !hasNaN(fromTree) {
			t.Errorf("tree %v, walk %v", fromTree, fromWalk)
		}
		if nodes, data := expanded(fromTree); nodes > maxNodes || data > max(maxData, len(in)) {
			t.Errorf("%d objects and %d bytes of %d", nodes, data, len(in))
		}
		if treeErr == nil && !hasNaN(fromTree) && validText(fromTree) {
			again, err := Decode(document(fromTree))
			if err != nil || !reflect.DeepEqual(again, fromTree) {
				t.Errorf("encoded again: %v, %v", again, err)
			}
		}
	})
}

// expanded counts what a walk over a tree meets.
func expanded(v any) (nodes, data int) {
	anyOf(v, func(x any) bool {
		nodes++
		switch x := x.(type) {
		case string:
			data += len(x)
		case []byte:
			data += len(x)
		}
		return nodes > 2*maxNodes
	})
	return nodes, data
}

func hasNaN(v any) bool {
	return anyOf(v, func(x any) bool { f, ok := x.(float64); return ok && f != f })
}

func validText(v any) bool {
	return !anyOf(v, func(x any) bool { s, ok := x.(string); return ok && strings.ToValidUTF8(s, "") != s })
}

func anyOf(v any, is func(any) bool) bool {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			if anyOf(e, is) {
				return true
			}
		}
	case map[string]any:
		for k, e := range x {
			if is(k) || anyOf(e, is) {
				return true
			}
		}
	}
	return is(v)
}

func BenchmarkWalkAnswer(b *testing.B) {
	var e Encoder
	e.List(16)
	for i := range 16 {
		e.Tuple(4)
		e.Int(int64(i))
		e.Int(200)
		e.Tuple(2)
		e.Str("content-type")
		e.Str("text/plain; charset=utf-8")
		e.Bytes([]byte("Hello, World!"))
	}
	var w Walker
	b.ReportAllocs()
	for b.Loop() {
		w.Reset(e.Buf, 1000, 1<<16)
		var v Value
		for range 1 + 16*7 {
			if err := w.Next(&v); err != nil {
				b.Fatal(err)
			}
		}
	}
}
