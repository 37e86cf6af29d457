package devices

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

func TestNode(t *testing.T) {
	var null unix.Stat_t
	if err := unix.Stat("/dev/null", &null); err != nil {
		t.Fatal(err)
	}
	perm := uint32(0o640)
	for _, c := range []struct {
		name string
		d    oci.Device
		mode uint32
		dev  uint64
		want string // of the error
	}{
		{"number", oci.Device{Path: "/dev/x", Type: "c", Major: 7, Minor: 9}, unix.S_IFCHR | 0o666, unix.Mkdev(7, 9), ""},
		{"number 0", oci.Device{Path: "/dev/x", Type: "c", Major: 0, Minor: 0}, unix.S_IFCHR | 0o666, 0, ""},
		{"half a number", oci.Device{Path: "/dev/null", Type: "c", Major: 7, Minor: -1}, null.Mode, null.Rdev, ""},
		{"the other half", oci.Device{Path: "/dev/null", Type: "c", Major: -1, Minor: 7}, null.Mode, null.Rdev, ""},
		{"unbuffered", oci.Device{Path: "/dev/x", Type: "u", Major: 7, Minor: 9, Mode: &perm}, unix.S_IFCHR | 0o640, unix.Mkdev(7, 9), ""},
		{"block", oci.Device{Path: "/dev/x", Type: "b", Major: 7, Minor: 9}, unix.S_IFBLK | 0o666, unix.Mkdev(7, 9), ""},
		{"pipe", oci.Device{Path: "/dev/x", Type: "p", Major: 7, Minor: 9}, unix.S_IFIFO | 0o666, 0, ""},
		{"the host's", oci.Device{Path: "/dev/null", Type: "c", Major: -1, Minor: -1}, null.Mode, null.Rdev, ""},
		{"the host's, with a mode", oci.Device{Path: "/dev/null", Type: "c", Major: -1, Minor: -1, Mode: &perm}, unix.S_IFCHR | 0o640, null.Rdev, ""},
		{"another type", oci.Device{Path: "/dev/null", Type: "b", Major: -1, Minor: -1}, 0, 0, "another type"},
		{"no such type", oci.Device{Path: "/dev/null", Type: "x"}, 0, 0, `type "x"`},
	} {
		n, err := Node(c.d)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || n.Mode != c.mode || n.Dev != c.dev {
			t.Errorf("%s: Node = %o, %#x, %v; want %o, %#x, %q", c.name, n.Mode, n.Dev, err, c.mode, c.dev, c.want)
		}
	}
	if _, err := Node(oci.Device{Path: "/dev/nope", Type: "c", Major: -1, Minor: -1}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Node of what the host lacks = %v; want ENOENT", err)
	}
}

func TestListed(t *testing.T) {
	got, err := Listed([]oci.Device{
		{Path: "/dev/a", Type: "c", Major: 7, Minor: 9, Listed: true},
		{Path: "/dev/b", Type: "b", Major: 7, Minor: 9, Listed: true},
		{Path: "/dev/again", Type: "c", Major: 7, Minor: 9, Listed: true},
		{Path: "/dev/null", Type: "c", Major: -1, Minor: -1},
	})
	if want := []kmod.Device{{Type: "c", Major: 7, Minor: 9}, {Type: "b", Major: 7, Minor: 9}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Listed = %v, %v; want %v", got, err, want)
	}
	if _, err := Listed([]oci.Device{{Path: "/dev/nope", Type: "c", Major: -1, Minor: -1, Listed: true}}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Listed of what the host lacks = %v; want ENOENT", err)
	}
}

// A link is made where nothing is, and missing where it can't be.
func TestMakeLink(t *testing.T) {
	dir := t.TempDir()
	root, err := inroot.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{"/dev/fd": nil, "/file": nil, "/file/below": unix.ENOTDIR} {
		if err := MakeLink(root, Link{path, "target"}); !errors.Is(err, want) {
			t.Errorf("MakeLink(%s) = %v; want %v", path, err, want)
		}
	}
	if to, err := os.Readlink(dir + "/dev/fd"); err != nil || to != "target" {
		t.Errorf("/dev/fd -> %s, %v", to, err)
	}
	if fi, err := os.Lstat(dir + "/file"); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("what was there is %v now, %v", fi, err)
	}
}

// What one system adds is not seen by the other.
func TestLinks(t *testing.T) {
	if all := Links(Link{"/dev/a", "b"}); len(all) != 5 || all[4].Path != "/dev/a" {
		t.Errorf("Links = %v; want the four, and the one", all)
	}
	if all := Links(); len(all) != 4 {
		t.Errorf("Links = %v; want the four", all)
	}
}
