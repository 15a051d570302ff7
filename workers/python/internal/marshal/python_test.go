package marshal

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// interpreters returns every CPython from 3.9 on that the machine offers.
func interpreters(t *testing.T) []string {
	t.Helper()
	candidates := []string{"python3"}
	if home, err := os.UserHomeDir(); err == nil {
		more, _ := filepath.Glob(filepath.Join(home, ".pyenv/versions/*/bin/python"))
		candidates = append(candidates, more...)
	}
	const probe = "import sys; sys.exit(sys.version_info < (3, 9) or sys.implementation.name != 'cpython')"
	var found []string
	for _, p := range candidates {
		if exec.Command(p, "-c", probe).Run() == nil {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		t.Fatal("no CPython 3.9 or later on this machine")
	}
	return found
}

// peer loads each line, and dumps it again in three ways: as it came, with all
// its parts shared, and in the format without references.
const peer = `
import marshal, sys
for line in sys.stdin:
    value = marshal.loads(bytes.fromhex(line))
    twice = (value, value, [value, value])
    print(marshal.dumps(value, 4).hex(), marshal.dumps(twice, 4).hex(), marshal.dumps(value, 2).hex(), flush=True)
`

func TestAgreesWithPython(t *testing.T) {
	for _, python := range interpreters(t) {
		t.Run(python, func(t *testing.T) { exchangeWith(t, python) })
	}
}

func exchangeWith(t *testing.T, python string) {
	cmd := exec.Command(python, "-c", peer)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	answers := bufio.NewScanner(out)
	answers.Buffer(nil, 1<<24)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		want := randomValue(rnd, 4)
		fmt.Fprintf(in, "%x\n", document(want))
		if !answers.Scan() {
			t.Fatal("python ended")
		}
		dumps := strings.Fields(answers.Text())
		checkDump(t, dumps[0], want)
		checkDump(t, dumps[1], []any{want, want, []any{want, want}})
		checkDump(t, dumps[2], want)
	}
}

func checkDump(t *testing.T, dump string, want any) {
	t.Helper()
	raw, err := hex.DecodeString(dump)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(raw)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Decode(%s): got %v, %v, want %v", dump, got, err, want)
	}
	if anyOf(want, func(x any) bool { _, ok := x.(map[string]any); return ok }) {
		return
	}
	var w Walker
	w.Reset(raw, 1<<20, 1<<24)
	walked, err := tree(&w)
	if err != nil || w.End() != nil || !reflect.DeepEqual(walked, want) {
		t.Fatalf("walk of %s: got %v, %v, want %v", dump, walked, err, want)
	}
}

func randomValue(rnd *rand.Rand, depth int) any {
	n := 9
	if depth == 0 {
		n = 7
	}
	switch rnd.IntN(n) {
	case 0:
		return nil
	case 1:
		return rnd.IntN(2) == 0
	case 2:
		return int64(rnd.Uint64()) >> rnd.IntN(64)
	case 3:
		return rnd.NormFloat64()
	case 4:
		return randomText(rnd, 0x7f)
	case 5:
		return randomText(rnd, 0x2ff)
	case 6:
		return []byte(randomText(rnd, 0xff))
	case 7:
		seq := make([]any, rnd.IntN(5))
		for i := range seq {
			seq[i] = randomValue(rnd, depth-1)
		}
		return seq
	}
	m := make(map[string]any)
	for range rnd.IntN(4) {
		m[randomText(rnd, 0x2ff)] = randomValue(rnd, depth-1)
	}
	return m
}

func randomText(rnd *rand.Rand, max int) string {
	var s strings.Builder
	n := rnd.IntN(20)
	if rnd.IntN(10) == 0 {
		n = 300
	}
	for range n {
		s.WriteRune(rune(rnd.IntN(max) + 1))
	}
	return s.String()
}
