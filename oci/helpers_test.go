package oci

// What the tests share: golden files and kernels with different features.

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
)

var update = flag.Bool("update", false, "write the golden files under testdata")

// ourModule is a kernel with this project's module.
func ourModule() kmod.Features { return kmod.All() }

// emulated is a Linux host that enforces everything.
func emulated() kmod.Features {
	f := ourModule()
	f.Backend = "emulator"
	return f
}

// published is a kernel with the published module: profiles and ports.
func published() kmod.Features { return kmod.Published() }

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with go test ./oci -update)", err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("differs from %s (go test ./oci -update writes it) at line %d:\n got %s\nwant %s",
				path, i+1, at(g, i), at(w, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

// load reads a configuration from a string.
func load(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Load(strings.NewReader(text))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return cfg
}

// minimal is a configuration with what is required; more is put at its end.
func minimal(more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"ociVersion":"1.3.0","root":{"path":"rootfs"},"process":{"args":["sh"],"cwd":"/"}` + more + `}`
}

// withProcess is minimal with more in its process.
func withProcess(more string) string {
	return `{"ociVersion":"1.3.0","root":{"path":"rootfs"},"process":{"args":["sh"],"cwd":"/",` + more + `}}`
}

// compile compiles what must be accepted.
func compile(t *testing.T, text string, f kmod.Features) *Plan {
	t.Helper()
	p, err := Compile(load(t, text), f)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return p
}

// noteOn finds the first note on a field.
func noteOn(p *Plan, field string) (Note, bool) {
	for _, n := range p.Notes {
		if n.Field == field {
			return n, true
		}
	}
	return Note{}, false
}
