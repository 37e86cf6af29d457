package kmod

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/harness"
)

var caseName = regexp.MustCompile("`([a-z]+/[a-z0-9-]+)`( \\[N\\])?")

// TestSecurityPage: what docs/security.md claims is a case, on the systems
// that it says.
func TestSecurityPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(page)) {
		for _, match := range caseName.FindAllStringSubmatch(line, -1) {
			named++
			i := slices.IndexFunc(Suite.Cases, func(c harness.Case) bool { return c.Name == match[1] })
			if i < 0 {
				t.Errorf("docs/security.md names %s, which is no case", match[1])
				continue
			}
			if only := len(Suite.Cases[i].OS) > 0; only != (match[2] != "") {
				t.Errorf("docs/security.md: %s runs on NetBSD only: %v; the page says %v", match[1], only, !only)
			}
		}
	}
	if named < 30 {
		t.Errorf("docs/security.md names %d cases: the pattern does not find them", named)
	}
}
