package docs_test

// A page that a suite made shows no case that fails and has no reason: such a
// page was made on a bad day, and would tell every later run that it is as it
// should be.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNothingFails(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("the pages: %q, %v", pages, err)
	}
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			if strings.Contains(line, "| **fail** |") {
				t.Errorf("%s shows a failure that has no reason: %s", page, line)
			}
		}
	}
}
