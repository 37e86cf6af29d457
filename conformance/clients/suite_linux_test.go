package clients

import (
	"strings"
	"testing"
)

// Every case belongs to a tool, and every page that shows commands is one.
func TestLoad(t *testing.T) {
	if err := Load(); err != nil {
		t.Fatal(err)
	}
	if err := Suite.Check(); err != nil {
		t.Error(err)
	}
	pages := map[string]bool{}
	for _, c := range Suite.Cases {
		group, name, _ := strings.Cut(c.Name, "/")
		if tools[group] == nil {
			t.Errorf("case %s: there is no tool of that name", c.Name)
		}
		pages[name] = pages[name] || group == "page"
	}
	for _, name := range []string{"podman", "containerd", "buildah"} {
		if !pages[name] {
			t.Errorf("docs/%s.md has no commands to run", name)
		}
	}
}
