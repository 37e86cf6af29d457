package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Copies are measured, of both revisions and with what belongs to them, and are
// away afterwards; the programs themselves stay as they are.
func TestInstallAll(t *testing.T) {
	here, other := t.TempDir(), t.TempDir()
	for _, name := range []string{"runcell", "runcell-image", "containerd-shim-runcell-v1"} {
		for _, dir := range []string{here, other} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(dir+name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := options{runcell: filepath.Join(here, "runcell"), base: filepath.Join(other, "runcell")}
	remove, err := o.installAll()
	if err != nil {
		t.Fatal(err)
	}
	for program, dir := range map[string]string{o.runcell: here, o.base: other} {
		for _, r := range []struct{ path, name string }{
			{program, "runcell"},
			{program + "-image", "runcell-image"},
			{filepath.Join(filepath.Dir(program), "containerd-shim-runcell-v1"), "containerd-shim-runcell-v1"},
		} {
			got, err := os.ReadFile(r.path)
			if err != nil || string(got) != dir+r.name || filepath.Dir(r.path) == dir {
				t.Errorf("%s is measured, %q, %v; want a copy of %s in %s", r.path, got, err, r.name, dir)
			}
			if fi, err := os.Stat(r.path); err != nil || fi.Mode().Perm()&0o111 == 0 {
				t.Errorf("%s does not run: %v, %v", r.path, fi, err)
			}
		}
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{here, other} {
		if left, err := os.ReadDir(dir); err != nil || len(left) != 3 {
			t.Errorf("%s has %v, %v; want the three programs", dir, left, err)
		}
	}
}

// A runcell that is not there is an error, and leaves nothing.
func TestInstallNothing(t *testing.T) {
	dir := t.TempDir()
	o := options{runcell: filepath.Join(dir, "runcell")}
	if _, err := o.installAll(); err == nil {
		t.Error("a program that is not there is installed")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
