package bundle_test

// The difference of two trees, as a report.

import (
	"archive/tar"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/pack"
	"golang.org/x/sys/unix"
)

func TestDiff(t *testing.T) {
	s := story.NewStore(t)
	if _, err := pack.Pack(t.Context(), imagetest.Sample(t), "base:1", pack.Options{Store: s.Path()}); err != nil {
		t.Fatal(err)
	}
	plain, _, err := story.Unpack(t, "base:1", bundle.UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	kept, spec := story.MakeBundle(t, s, "base:1", bundle.RootfsCopy)
	shared, _ := story.MakeBundle(t, s, "base:1", bundle.RootfsShared)
	for _, b := range []string{plain, kept, shared} {
		if list, err := bundle.Diff(t.Context(), b, bundle.DiffOptions{}); err != nil || len(list) > 0 {
			t.Errorf("nothing was changed: %+v, %v", list, err)
		}
	}
	story.Import(t, s, "base:1", imagetest.Tar(t, imagetest.Entry{Name: "f"})) // the name moves on
	for b, rootfs := range map[string]string{plain: plain + "/rootfs", kept: spec.Root.Path} {
		imagetest.ChangeTree(t, rootfs)
		list, err := bundle.Diff(t.Context(), b, bundle.DiffOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range list {
			if c.Path != "/" {
				got = append(got, strings.TrimSpace(c.Kind+" "+c.Path+" "+strings.Join(c.What, ",")))
			}
		}
		for _, want := range []string{
			"changed /bin/su content,mtime,links", "changed /bin/ash owner,links", "removed /etc/far", "added /etc/new", "removed /var",
			"added /opt", "changed /dev type", "changed /tmp/fifo type", "added /tmp/fifo/in", "changed /zz-hardlink type",
		} {
			if !slices.ContainsFunc(got, func(g string) bool { return g == want || strings.HasPrefix(g, strings.TrimSuffix(want, ",links")) }) {
				t.Errorf("%s: changes are\n%s\nwithout %s", b, strings.Join(got, "\n"), want)
			}
		}
	}
	if _, err := bundle.Diff(t.Context(), t.TempDir(), bundle.DiffOptions{}); err == nil {
		t.Error("diff of no bundle: no error")
	}
	if left, err := s.GC(t.Context(), true); err != nil || len(left) > 4 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}

// A hostile root file system: what is compared is never followed, FIFOs are
// not opened.
func TestDiffHostile(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "d/"}, imagetest.Entry{Name: "d/f", Body: "x"}, imagetest.Entry{Name: "g", Body: "y"}, imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "d"}))
	b, _, err := story.Unpack(t, "x", bundle.UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	rootfs := b + "/rootfs"
	victim := t.TempDir()
	os.WriteFile(victim+"/f", []byte("x"), 0o600)
	for _, err := range []error{
		os.RemoveAll(rootfs + "/d"), os.Symlink(victim, rootfs+"/d"),
		os.Remove(rootfs + "/g"), unix.Mkfifo(rootfs+"/g", 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := bundle.Diff(t.Context(), b, bundle.DiffOptions{})
	if err != nil || len(list) < 2 || !slices.ContainsFunc(list, func(c bundle.Change) bool { return c.Path == "/d" && c.What[0] == "type" }) {
		t.Errorf("changes are %+v, %v", list, err)
	}
	if _, err := pack.Pack(t.Context(), rootfs, "y", pack.Options{Store: s.Path(), Base: "x"}); err != nil {
		t.Error(err)
	}
}
