package static

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// forget makes everything in the cache too old to be believed.
func (s *site) forget() {
	s.h.cache.mu.Lock()
	defer s.h.cache.mu.Unlock()
	for _, e := range s.h.cache.entries {
		e.checked.Add(-int64(2 * freshFor))
	}
}

func TestChangesAreSeen(t *testing.T) {
	dir := makeFolder(t, map[string]string{"a.txt": "one", "large.bin": strings.Repeat("1", smallFile+1)})
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}}})
	before := field(s.get("/s/a.txt"), "ETag")
	s.get("/s/none.txt")
	large := s.get("/s/large.bin")

	write(t, filepath.Join(dir, "a.txt"), "two", longAgo.Add(time.Minute))
	write(t, filepath.Join(dir, "none.txt"), "there now", longAgo)
	if r := s.get("/s/a.txt"); string(r.Body) != "one" {
		t.Errorf("within the second: %q", r.Body)
	}
	s.forget()
	if r := s.get("/s/a.txt"); string(r.Body) != "two" || field(r, "ETag") == before {
		t.Errorf("after a change: %q, %s", r.Body, field(r, "ETag"))
	}
	if r := s.get("/s/none.txt"); r.Status != 200 {
		t.Errorf("a new file: %d", r.Status)
	}
	if r := s.get("/s/large.bin"); r.Status != 200 || field(r, "ETag") != field(large, "ETag") {
		t.Errorf("an unchanged file: %d, %s", r.Status, field(r, "ETag"))
	}

	write(t, filepath.Join(dir, "a.txt.gz"), "packed", longAgo.Add(time.Minute))
	s.forget()
	if r := s.get("/s/a.txt", "Accept-Encoding: gzip"); string(r.Body) != "packed" {
		t.Errorf("a new sibling: %q", r.Body)
	}
	// A release is put in place of another.
	next := makeFolder(t, map[string]string{"a.txt": "three"})
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, dir); err != nil {
		t.Fatal(err)
	}
	s.forget()
	if r := s.get("/s/a.txt", "Accept-Encoding: gzip"); string(r.Body) != "three" {
		t.Errorf("a new folder: %q", r.Body)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.forget()
	if r := s.get("/s/a.txt"); r.Status != 404 {
		t.Errorf("without the folder: %d", r.Status)
	}
}

func TestValidatorsOfAFileJustChanged(t *testing.T) {
	dir := makeFolder(t, nil)
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}}})
	write(t, filepath.Join(dir, "new.txt"), "new", time.Now())
	write(t, filepath.Join(dir, "future.txt"), "future", time.Now().Add(time.Hour))
	r := s.get("/s/new.txt")
	tag := field(r, "ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Errorf("entity tag of a file just changed is %s", tag)
	}
	if r := s.get("/s/new.txt", "If-Range: "+tag, "Range: bytes=0-0"); r.Status != 200 {
		t.Errorf("If-Range with a weak tag: %d", r.Status)
	}
	if r := s.get("/s/new.txt", "If-None-Match: "+tag); r.Status != 304 {
		t.Errorf("If-None-Match with a weak tag: %d", r.Status)
	}
	if r := s.get("/s/future.txt"); r.Header.Has("Last-Modified") {
		t.Errorf("Last-Modified is in the future: %s", field(r, "Last-Modified"))
	}
	// The same time and size say nothing while the change is recent.
	stamp := time.Now()
	write(t, filepath.Join(dir, "same.txt"), "one", stamp)
	s.get("/s/same.txt")
	write(t, filepath.Join(dir, "same.txt"), "two", stamp)
	s.forget()
	if r := s.get("/s/same.txt"); string(r.Body) != "two" {
		t.Errorf("changed within the clock's step: %q", r.Body)
	}
}

func TestCacheIsBounded(t *testing.T) {
	const n = 200
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprint(i)] = strings.Repeat("x", 1000)
	}
	s := newSite(t, Options{Mounts: []Mount{{"/s", makeFolder(t, files)}}, CacheSize: 64 << 10})
	for i := range n {
		if r := s.get(fmt.Sprintf("/s/%d", i)); r.Status != 200 {
			t.Fatalf("%d: %d", i, r.Status)
		}
		s.get("/s/0") // which stays in use
	}
	c := s.h.cache
	if c.bytes > c.capacity || len(c.entries) < 10 {
		t.Errorf("%d bytes of %d, %d entries", c.bytes, c.capacity, len(c.entries))
	}
	if c.entries["/s/0"] == nil || c.entries["/s/1"] != nil {
		t.Error("the cache has not forgotten what nobody asks for")
	}
	for _, e := range c.entries {
		e.checked.Add(-int64(2 * idleFor))
	}
	c.sweep()
	if len(c.entries) != 0 || c.bytes != 0 || c.oldest != nil || c.newest != nil || c.sweeping != nil {
		t.Errorf("an idle cache holds %d entries, %d bytes", len(c.entries), c.bytes)
	}
}

func TestOpenFilesAreBoundedAndStillSent(t *testing.T) {
	files := make(map[string]string)
	for i := range 5 {
		files[fmt.Sprint(i)] = strings.Repeat(fmt.Sprint(i), smallFile+1)
	}
	// Nothing fits: each file is closed as soon as it was found.
	s := newSite(t, Options{Mounts: []Mount{{"/s", makeFolder(t, files)}}, CacheSize: 1})
	for range 3 {
		for name, content := range files {
			if r := s.get("/s/" + name); r.Status != 200 || string(r.Body) != content {
				t.Errorf("%s: %d, %d bytes", name, r.Status, len(r.Body))
			}
		}
	}
	if c := s.h.cache; c.open > 1 {
		t.Errorf("%d files are open", c.open)
	}
}

func TestManyAtOnce(t *testing.T) {
	const files, clients, rounds = 20, 8, 200
	names := make(map[string]string)
	for i := range files {
		names[fmt.Sprint(i)] = strings.Repeat(fmt.Sprint(i%10), 100+i*smallFile/10)
	}
	dir := makeFolder(t, names)
	s := newSite(t, Options{Mounts: []Mount{{"/s", dir}}, CacheSize: 300 << 10})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			own := &site{t, s.h, exchangetest.NewExecutor(t)}
			for range rounds {
				name := fmt.Sprint(rand.IntN(files + 2))
				r := own.get("/s/" + name)
				if want, ok := names[name]; ok != (r.Status == 200) || ok && string(r.Body) != want {
					t.Errorf("%s: %d, %d bytes", name, r.Status, len(r.Body))
				}
				if rand.IntN(20) == 0 {
					s.forget()
				}
			}
		})
	}
	all.Wait()
}
