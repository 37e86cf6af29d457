package layer_test

// What becomes of file flags: set, listed, or left out.

import (
	"archive/tar"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"golang.org/x/sys/unix"
)

func flagsLayers(t *testing.T) string {
	t.Helper()
	flags := func(f string) map[string]string { return map[string]string{layer.PaxFlags: f} }
	return imagetest.LayoutOf(
		t,
		imagetest.Tar(t,
			imagetest.Entry{Name: ".", PAX: flags("nodump")},
			imagetest.Entry{Name: "d/", PAX: flags("uchg")}, imagetest.Entry{Name: "d/f", Body: "1", PAX: flags("schg,hidden")}, imagetest.Entry{Name: "d/gone", PAX: flags("schg")},
			imagetest.Entry{Name: "new", PAX: flags("sappnd")}, imagetest.Entry{Name: "dir/f", PAX: flags("schg")}, imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "d/f", PAX: flags("uchg")},
		),
		imagetest.Tar(t, imagetest.Entry{Name: "d/.wh.gone"}, imagetest.Entry{Name: "d/hard", Type: tar.TypeLink, Link: "d/f"}, imagetest.Entry{Name: "new", Body: "another", ModTime: imagetest.Time.Add(time.Hour)}, imagetest.Entry{Name: "dir", Body: "a file"}),
	)
}

// Flags are set when everything is there, on what is left of it, the files
// in a directory before the directory.
func TestFlags(t *testing.T) {
	var set []string
	layer.FakeFlags(t, func(path string, bits uint32) error {
		set = append(set, path+" "+layer.FlagNames(bits))
		return nil
	})
	b, res, err := story.Unpack(t, flagsLayers(t), bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/d/f schg", "/d uchg", "/. nodump"}; !slices.Equal(set, want) {
		t.Errorf("flags are set: %q; want %q", set, want)
	}
	notes := fmt.Sprint(res.Notes)
	for _, want := range []string{`"hidden"`, "on files and directories only"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes are %s; want %s", notes, want)
		}
	}
	imagetest.WantTree(t, filepath.Join(b, "rootfs"), "d d 0755", "d/f f 0644 1", "d/hard f 0644 1 = d/f", "dir f 0644 6", "l l 0777 -> d/f", "new f 0644 7")
}

// A directory that an upper layer lists without flags has none, and what is
// compared with an image only needs to know them.
func TestFlagsGone(t *testing.T) {
	set := 0
	layer.FakeFlags(t, func(string, uint32) error { set++; return nil })
	flags := map[string]string{layer.PaxFlags: "uchg"}
	layers := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "d/", PAX: flags}, imagetest.Entry{Name: "d/f", Body: "1", PAX: flags}), imagetest.Tar(t, imagetest.Entry{Name: "d/"}))
	img, _, closeImage, err := store.OpenImage(t.Context(), layers, "", manifest.Want{Platform: manifest.HostPlatform()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeImage()
	err = bundle.WithUnpacked(t.Context(), img, "", image.DefaultLimits(), false, func(from layer.Original) error {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(from.Rootfs, "d/f"), &st); err != nil {
			return err
		}
		if len(from.Flags) != 1 || from.Flags[layer.InodeOf(&st)] != 2 || set != 0 {
			t.Errorf("listed %v, set %d times; want the flags of d/f only, and none set", from.Flags, set)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := story.Unpack(t, layers, bundle.UnpackOptions{}); err != nil || set != 1 {
		t.Errorf("set %d times, %v; want once", set, err)
	}
}

// A system without flags says so.
func TestNoFlags(t *testing.T) {
	layer.FakeFlags(t, nil)
	_, res, err := story.Unpack(t, flagsLayers(t), bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if notes := fmt.Sprint(res.Notes); !strings.Contains(notes, "this system has none") {
		t.Errorf("notes are %s; want the flags", notes)
	}
}
