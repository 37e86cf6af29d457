package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImageDiffExit: the exit status tells whether something changed, a bundle or
// a container being named.
func TestImageDiffExit(t *testing.T) {
	dir := t.TempDir()
	image, bundle, state := "oci:"+dir+"/img:v1", dir+"/bundle", dir+"/state"
	for _, args := range [][]string{{"image", "pack", "--cmd", "/bin/web", imageRootfs(t), image}, {"image", "unpack", image, bundle}} {
		if _, stderr, status := runImage(args...); status != 0 {
			t.Fatal(stderr)
		}
	}
	if err := os.MkdirAll(state+"/web", 0o700); err != nil {
		t.Fatal(err)
	}
	record := fmt.Sprintf(`{"id":"web","phase":"created","bundle":%q,"rootfs":%q,"created":"2026-01-02T03:04:05Z","cell":1,"pid":%d,"pidStart":1}`,
		bundle, bundle+"/rootfs", os.Getpid())
	if err := os.WriteFile(state+"/web/state.json", []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	names := [][]string{{"image", "diff", bundle}, {"--root", state, "image", "diff", "web"}}
	for _, args := range names {
		if stdout, stderr, status := runImage(args...); status != 0 || stdout != "" {
			t.Errorf("%v: status %d, %q, %q; want 0 and nothing", args, status, stdout, stderr)
		}
	}
	if err := os.WriteFile(filepath.Join(bundle, "rootfs/etc/new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range names {
		if stdout, stderr, status := runImage(args...); status != exitDiffers || !strings.Contains(stdout, "/etc/new") || stderr != "" {
			t.Errorf("%v: status %d, %q, %q; want 1 and the file", args, status, stdout, stderr)
		}
	}
	for _, tt := range []struct{ line, want string }{
		{"--root " + state + " image diff db", "container does not exist, and there is no such directory"},
		{"image diff " + dir + "/none", "no such file"},
		{"image diff", "argument"},
		{"image diff --nonsense " + bundle, "no flag"},
		{"image diff --format yaml " + bundle, "unknown format"},
	} {
		stdout, stderr, status := runImage(strings.Fields(tt.line)...)
		if status != exitTrouble || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: status %d, %q, %q; want 2 and %q", tt.line, status, stdout, stderr, tt.want)
		}
	}
}
