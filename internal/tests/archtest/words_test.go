package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A word of the glossary has one meaning: a type that is named by it is where the page says
// that such are. Who needs the word elsewhere has found a second meaning, or a place that
// belongs on the page.
func TestWordsHaveOneMeaning(t *testing.T) {
	words := glossary(t)
	seen := make(map[string]bool)
	for _, f := range load(t).files {
		if f.test || within(f.dir, "bench") || within(f.dir, "examples") {
			continue
		}
		for name, at := range typesOf(f) {
			word := strings.TrimSuffix(lastWord(name), "s")
			folders, ok := words[word]
			if ok && !slices.Contains(folders, f.dir) {
				t.Errorf("%s: type %s: docs/architecture.md says that a %s is in %s", f.position(at), name, word, strings.Join(folders, ", "))
			}
			seen[word+" "+f.dir] = true
		}
	}
	for word, folders := range words {
		for _, dir := range folders {
			if !seen[word+" "+dir] && !hasPackage(t, word, dir) {
				t.Errorf("docs/architecture.md says that a %s is in %s, where none is", word, dir)
			}
		}
	}
}

// hasPackage tells whether the folder itself is named by the word.
func hasPackage(t *testing.T, word, dir string) bool {
	return strings.HasSuffix(dir, "/"+word) && slices.ContainsFunc(load(t).files, func(f *file) bool { return f.dir == dir })
}

var glossaryRow = regexp.MustCompile("(?m)^\\| ([a-z]+) \\| .* \\| ((?:`[a-z0-9/.]+`(?:, )?)+) \\|$")

// glossary returns the folders for each word.
func glossary(t *testing.T) map[string][]string {
	t.Helper()
	_, text, _ := strings.Cut(readPage(t), "\n## Words of the house\n")
	text, _, _ = strings.Cut(text, "\n## ")
	words := make(map[string][]string)
	for _, m := range glossaryRow.FindAllStringSubmatch(text, -1) {
		words[m[1]] = strings.Split(strings.ReplaceAll(m[2], "`", ""), ", ")
	}
	if rows := strings.Count(text, "\n|") - 2; len(words) != rows || rows < 12 {
		t.Fatalf("%d words in %d rows", len(words), rows)
	}
	return words
}

func typesOf(f *file) map[string]ast.Node {
	types := make(map[string]ast.Node)
	for _, decl := range f.syntax.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			continue
		}
		for _, spec := range d.Specs {
			types[spec.(*ast.TypeSpec).Name.Name] = spec
		}
	}
	return types
}

// lastWord returns the last word of a name in mixed caps, in lower case.
func lastWord(name string) string {
	i := strings.LastIndexFunc(name, unicode.IsUpper)
	return strings.ToLower(name[max(i, 0):])
}
