package docs_test

// A page leads to files and headings that are there, and every page is found from
// the navigation.

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	named   = regexp.MustCompile(`<a name="([^"]+)">`)
	code    = regexp.MustCompile("(?s)```.*?```")
	notWord = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors are the names that a page's headings get, as GitHub makes them.
func anchors(text string) map[string]bool {
	found := map[string]bool{"": true}
	text = code.ReplaceAllString(text, "")
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		words := notWord.ReplaceAllString(strings.ToLower(link.ReplaceAllString(m[1], "]")), "")
		found[strings.ReplaceAll(words, " ", "-")] = true
	}
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}

func TestLinks(t *testing.T) {
	all := pages(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
			} else if text, page := all[to]; page && !anchors(text)[anchor] {
				t.Errorf("%s: %s: %s has no such heading", name, m[1], to)
			}
		}
	}
}

func TestNavigationHasEveryPage(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Glob("*.[mM0-9]*")
	if err != nil || len(here) < 20 {
		t.Fatalf("pages: %q, %v", here, err)
	}
	for _, name := range here {
		if name != "README.md" && !strings.Contains(string(b), "]("+name) {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// Who has a system with an older Go reads here which one is needed.
func TestReadmeNamesTheGoVersion(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod has no version of Go")
	}
	if text := pages(t)["README.md"]; !strings.Contains(text, "Go "+string(m[1])+" ") {
		t.Errorf("README.md does not say that Go %s is needed", m[1])
	}
}
