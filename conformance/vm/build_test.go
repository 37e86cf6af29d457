package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/vm/image"
)

// A userland's files come as they are; what the guest has of its own stays.
func TestUserland(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/sh": 0o555, "sbin/init": 0o555, "etc/rc.conf": 0o644} {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sh", filepath.Join(from, "bin/rsh")); err != nil {
		t.Fatal(err)
	}
	g := &guest{dir: to, files: []image.File{{Path: "sbin/init", Mode: 0o500}}}
	if err := g.tree(from); err != nil {
		t.Fatal(err)
	}
	want := []image.File{
		{Path: "sbin/init", Mode: 0o500},
		{Path: "bin/rsh", Link: "sh"},
		{Path: "bin/sh", Mode: 0o555},
		{Path: "etc/rc.conf", Mode: 0o644},
	}
	if !reflect.DeepEqual(g.files, want) {
		t.Errorf("files = %+v; want %+v", g.files, want)
	}
	if b, err := os.ReadFile(filepath.Join(to, "bin/rsh")); err != nil || string(b) != "bin/sh" {
		t.Errorf("the link leads to %q, %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(to, "sbin/init")); err == nil {
		t.Error("the guest's first process was written over")
	}
}
