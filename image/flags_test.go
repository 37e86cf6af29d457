package image

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseFlags(t *testing.T) {
	for _, c := range []struct {
		text    string
		bits    uint32
		unknown string
		names   string
	}{
		{"", 0, "", ""},
		{"none", 0, "", ""},
		{"nodump", 1, "", "nodump"},
		{"schg,uappend,arch", 0x30004, "", "uappnd,arch,schg"},
		{"simmutable,hidden,opaque,", 0x20008, "hidden", "opaque,schg"},
	} {
		bits, unknown := parseFlags(c.text)
		if bits != c.bits || strings.Join(unknown, ",") != c.unknown || flagNames(bits) != c.names {
			t.Errorf("%q: %#x, unknown %q, named %q; want %#x, %q, %q", c.text, bits, unknown, flagNames(bits), c.bits, c.unknown, c.names)
		}
	}
}

func flagsLayers(t *testing.T) string {
	t.Helper()
	flags := func(f string) map[string]string { return map[string]string{paxFlags: f} }
	return layoutOf(
		t,
		tarOf(t,
			ent{name: ".", pax: flags("nodump")},
			ent{name: "d/", pax: flags("uchg")}, ent{name: "d/f", body: "1", pax: flags("schg,hidden")}, ent{name: "d/gone", pax: flags("schg")},
			ent{name: "new", pax: flags("sappnd")}, ent{name: "dir/f", pax: flags("schg")}, ent{name: "l", typ: tar.TypeSymlink, link: "d/f", pax: flags("uchg")},
		),
		tarOf(t, ent{name: "d/.wh.gone"}, ent{name: "d/hard", typ: tar.TypeLink, link: "d/f"}, ent{name: "new", body: "another", mtime: someTime.Add(time.Hour)}, ent{name: "dir", body: "a file"}),
	)
}

// Flags are set when everything is there, on what is left of it, the files
// in a directory before the directory.
func TestFlags(t *testing.T) {
	var set []string
	defer func(f func(int, uint32) error, have bool) { fchflags, haveFlags = f, have }(fchflags, haveFlags)
	haveFlags = true
	fchflags = func(fd int, bits uint32) error {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		_, path, _ = strings.Cut(path, "/"+rootfsName)
		set = append(set, path+" "+flagNames(bits))
		return err
	}
	bundle, res, err := unpackIn(t, flagsLayers(t), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/d/f schg", "/d uchg", " nodump"}; !slices.Equal(set, want) {
		t.Errorf("flags are set: %q; want %q", set, want)
	}
	notes := fmt.Sprint(res.Notes)
	for _, want := range []string{`"hidden"`, "on files and directories only"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes are %s; want %s", notes, want)
		}
	}
	wantTree(t, filepath.Join(bundle, rootfsName), "d d 0755", "d/f f 0644 1", "d/hard f 0644 1 = d/f", "dir f 0644 6", "l l 0777 -> d/f", "new f 0644 7")
}

// A directory that an upper layer lists without flags has none, and what is
// compared with an image only needs to know them.
func TestFlagsGone(t *testing.T) {
	defer func(f func(int, uint32) error, have bool) { fchflags, haveFlags = f, have }(fchflags, haveFlags)
	haveFlags = true
	set := 0
	fchflags = func(int, uint32) error { set++; return nil }
	flags := map[string]string{paxFlags: "uchg"}
	layers := layoutOf(t, tarOf(t, ent{name: "d/", pax: flags}, ent{name: "d/f", body: "1", pax: flags}), tarOf(t, ent{name: "d/"}))
	listed := map[inode]uint32{}
	bundle, _, err := unpackIn(t, layers, UnpackOptions{flags: listed})
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(bundle, rootfsName, "d/f"), &st); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || listed[inodeOf(&st)] != 2 || set != 0 {
		t.Errorf("listed %v, set %d times; want the flags of d/f only, and none set", listed, set)
	}
	if _, _, err := unpackIn(t, layers, UnpackOptions{}); err != nil || set != 1 {
		t.Errorf("set %d times, %v; want once", set, err)
	}
}

// A system without flags says so.
func TestNoFlags(t *testing.T) {
	if haveFlags {
		t.Skip("this system has file flags")
	}
	_, res, err := unpackIn(t, flagsLayers(t), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if notes := fmt.Sprint(res.Notes); !strings.Contains(notes, "this system has none") {
		t.Errorf("notes are %s; want the flags", notes)
	}
}
