package http2

import (
	"crypto/rand"
	"slices"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
)

// What is in every response comes from the table from the third time on, whatever its
// hashes, wherever it stands, and whatever else there is.
func TestConstantFieldsStayInTable(t *testing.T) {
	for range 2000 {
		var e encoder
		e.init()
		d := hpack.NewDecoder(tableSize, nil)
		var constant []asteri.Field
		for range len(recent{}) - 1 {
			constant = append(constant, asteri.Field{Name: []byte("x-" + rand.Text()[:4]), Value: []byte(rand.Text())})
		}
		for round := range 6 {
			section := slices.Concat(constant, []asteri.Field{{Name: []byte("x-request-id"), Value: []byte(rand.Text())}})
			constant = append(constant[1:], constant[0])
			b := e.encode(nil, section)
			got, err := d.DecodeFull(b)
			if err != nil || len(got) != len(section) {
				t.Fatalf("%v, %v", got, err)
			}
			for i, f := range got {
				if f.Name != string(section[i].Name) || f.Value != string(section[i].Value) {
					t.Fatalf("%v instead of %s: %s", f, section[i].Name, section[i].Value)
				}
			}
			if most := 2*len(constant) + 2 + len("x-request-id") + 2 + len(rand.Text()); round > 1 && len(b) > most {
				t.Fatalf("round %d takes %d bytes", round, len(b))
			}
		}
	}
}

// A field with another value each time costs its value and an index from the third time
// on, wherever it stands, and takes one place in the table.
func TestNamesOfChangingValues(t *testing.T) {
	var e encoder
	e.init()
	d := hpack.NewDecoder(tableSize, nil)
	for round := range 50 {
		value := rand.Text()
		section := []asteri.Field{{Name: []byte("x-request-id"), Value: []byte(value)}}
		if round%2 == 1 {
			section = slices.Insert(section, 0, asteri.Field{Name: []byte("x-constant"), Value: []byte("constant")})
		}
		b := e.encode(nil, section)
		got, err := d.DecodeFull(b)
		if err != nil || len(got) != len(section) || got[len(got)-1].Value != value || got[len(got)-1].Name != "x-request-id" {
			t.Fatalf("%v, %v", got, err)
		}
		if round > 4 && len(b) > len(section)+2+len(value) {
			t.Fatalf("round %d takes %d bytes", round, len(b))
		}
	}
	if len(e.entries) != 2 {
		t.Errorf("%d entries", len(e.entries))
	}
}
