package archtest

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Pages for who works on the code, and its comments, name files. Whoever moves one moves
// the name, too.
func TestNamedFilesAreThere(t *testing.T) {
	all := sources(t)
	exists := func(name string) bool {
		return slices.ContainsFunc(all, func(f string) bool { return f == name || strings.HasSuffix(f, "/"+name) })
	}
	for _, page := range []string{"docs/architecture.md", "CONTRIBUTING.md", "workers/python/PROTOCOL.md", "docs/security.md", "docs/development.md"} {
		for _, m := range regexp.MustCompile("`([a-z0-9_/.]+\\.(?:go|py|sh))`").FindAllStringSubmatch(readFileOf(t, page), -1) {
			if !exists(m[1]) && !slices.Contains(notOurs, m[1]) {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
	named := regexp.MustCompile(`[a-z0-9_/]*[a-z0-9_]\.(?:go|py)\b`)
	for _, f := range load(t).files {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				for _, name := range named.FindAllString(c.Text, -1) {
					if !exists(strings.TrimPrefix(name, "/")) && !slices.Contains(notOurs, name) {
						t.Errorf("%s names %s, which is not there", f.position(c), name)
					}
				}
			}
		}
	}
}

// notOurs are files of users.
var notOurs = []string{"path/to/file.py", "conf.py"} // the end of gunicorn.conf.py

// sources are the files of the module with code.
func sources(t *testing.T) (all []string) {
	t.Helper()
	top, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		switch ext := filepath.Ext(name); {
		case err != nil:
			return err
		case d.IsDir() && name != top && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case ext == ".go" || ext == ".py" || ext == ".sh":
			rel, err := filepath.Rel(top, name)
			all = append(all, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
