package docs_test

// Every block of every page says what it is; commands are run as they are printed,
// or there is a reason.

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/console"
)

// byHand are the blocks that nothing runs as they are printed: the page, how the
// block begins, and what stands for it.
var byHand = []struct{ page, begins, reason string }{
	{"docs/containers-on-netbsd.md", "# nerdctl run -it", "waits for who types, or does not end: the VM's suite containerd has terminals and a log that is followed"},
	{"docs/developing.md", "make test-netbsd", "wants a kernel, whose path is made up"},
	{"docs/developing.md", "mount -t ffs", "is a line for the disk of a NetBSD system that is not ours"},
	{"docs/developing.md", "go run ./conformance/bench", "wants an idle machine for minutes"},
	{"docs/developing.md", "make bench", "the same; and fetches a kernel"},
	{"docs/manual.md", "make -C kmod/secmodel_cell", "wants a NetBSD with compiler and kernel sources: make test-netbsd builds the module from the same files and loads it"},
	{"pkg/README.md", "make makesum", "wants pkgsrc, and a release on a server"},
}

// pages are the pages of the tree, by their path from its root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".md" {
			var b []byte
			b, err = os.ReadFile(path)
			found[strings.TrimPrefix(path, "../")] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryBlockSaysWhatItIs(t *testing.T) {
	used := make([]bool, len(byHand))
	for page, text := range pages(t) {
		blocks, err := console.Blocks(text)
		if err != nil {
			t.Errorf("%s: %v", page, err)
		}
		for _, b := range blocks {
			if _, err := b.Steps(); err != nil {
				t.Errorf("%s: %v", page, err)
			}
			if !slices.Contains(b.Where, console.Hand) {
				continue
			}
			first := strings.Join(b.Text[:min(1, len(b.Text))], "")
			known := false
			for i, h := range byHand {
				if h.page == page && strings.HasPrefix(first, h.begins) {
					known, used[i] = true, true
				}
			}
			if !known || len(b.Where) > 1 {
				t.Errorf("%s, line %d: nothing runs %q, and there is no reason for that", page, b.Line, first)
			}
		}
	}
	for i, h := range byHand {
		if !used[i] {
			t.Errorf("no block of %s begins with %q: take the reason away", h.page, h.begins)
		}
	}
}

// Lines that are marked "ci" are what CI runs.
func TestWhatCIRuns(t *testing.T) {
	text, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	runs := strings.Split(string(text), "\n")
	n := 0
	for page, text := range pages(t) {
		blocks, _ := console.Blocks(text)
		for _, b := range blocks {
			if !slices.Contains(b.Where, console.CI) {
				continue
			}
			for _, line := range b.Text {
				command, _, _ := strings.Cut(line, " #")
				n++
				if !slices.Contains(runs, strings.TrimSpace(command)) {
					t.Errorf("%s, line %d: .ci/run does not run %q", page, b.Line, command)
				}
			}
		}
	}
	if n < 2 {
		t.Errorf("%d such lines: the README has lost its own", n)
	}
}

// What stands for a file is one: JSON, with or without the braces around it.
func TestExcerptsOfFiles(t *testing.T) {
	for page, text := range pages(t) {
		blocks, _ := console.Blocks(text)
		for _, b := range blocks {
			whole := strings.Join(b.Text, "\n")
			if b.Kind == "json" && !json.Valid([]byte(whole)) && !json.Valid([]byte("{"+whole+"}")) {
				t.Errorf("%s, line %d: this is no JSON:\n%s", page, b.Line, whole)
			}
		}
	}
}
