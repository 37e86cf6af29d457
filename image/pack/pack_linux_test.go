package pack_test

// What needs a mount to be tested.

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/pack"
	"golang.org/x/sys/unix"
)

// Sockets, and other file systems mounted in the tree, are left out with a note.
func TestLeftOut(t *testing.T) {
	dir := t.TempDir()
	s, err := net.Listen("unix", dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	os.Mkdir(dir+"/mnt", 0o755)
	if err := unix.Mount("tmpfs", dir+"/mnt", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir+"/mnt", unix.MNT_DETACH)
	os.WriteFile(dir+"/mnt/secret", nil, 0o644)
	name := filepath.Join(t.TempDir(), "img")
	res, err := pack.Pack(t.Context(), dir, name, pack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := story.Unpack(t, name, bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := imagetest.Tree(t, filepath.Join(b, "rootfs"))
	if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "sock") || strings.Contains(s, "secret") }) {
		t.Errorf("tree is %q; want neither socket nor mount", got)
	}
	notes := ""
	for _, n := range res.Notes {
		notes += n.String() + "\n"
	}
	if !strings.Contains(notes, "a socket") || !strings.Contains(notes, "a mounted file system") {
		t.Errorf("notes are %q", notes)
	}
}
