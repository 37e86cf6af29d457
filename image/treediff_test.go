// The difference of two trees, as a layer and as a report.

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

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// change makes a tree differ from what it was, in every way.
func changeTree(tb testing.TB, root string) {
	tb.Helper()
	at := func(p string) string { return filepath.Join(root, p) }
	touch := func(p string) { os.Chtimes(at(p), someTime.Add(time.Hour), someTime.Add(time.Hour)) }
	for _, err := range []error{
		os.WriteFile(at("etc/new"), []byte("new"), 0o600),
		os.MkdirAll(at("opt/deep/er"), 0o755),
		os.WriteFile(at("opt/deep/er/f"), []byte("f"), 0o644),
		os.RemoveAll(at("var")),
		os.Remove(at("etc/far")),
		os.WriteFile(at("bin/su"), []byte("SU"), 0o755), // the same size
		os.Chmod(at("tmp"), 0o700),
		os.Lchown(at("bin/ash"), 20, 21),                                 // has a second name
		os.Remove(at("zz-hardlink")), os.Symlink("x", at("zz-hardlink")), // a link of its own
		os.RemoveAll(at("dev")), os.WriteFile(at("dev"), nil, 0o644),
		os.Remove(at("tmp/fifo")), os.Mkdir(at("tmp/fifo"), 0o711), os.WriteFile(at("tmp/fifo/in"), nil, 0o644),
		os.Link(at("root"+"/../bin/su"), at("etc/su-again")),
		unix.Setxattr(at("etc"), "user.dir", []byte("other"), 0),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	touch("bin/su")
}

// What differs from an image, packed on top of it, unpacks to the tree.
func TestPackOnBase(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd} {
		s := newStore(t)
		rootfs := sample(t)
		base, err := Pack(t.Context(), rootfs, "base:1", PackOptions{Store: s.Path(), Compression: c, Config: v1.ImageConfig{
			Env: []string{"A=1", "B=2"}, Entrypoint: []string{"/bin/sh"}, Cmd: []string{"x"}, Labels: map[string]string{"a": "1"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := unpackIn(t, "base:1", UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Fatal(err)
		}
		rootfs = filepath.Join(b, rootfsName)
		changeTree(t, rootfs)
		want := strings.Join(treeOf(t, rootfs), "\n")
		o := PackOptions{Store: s.Path(), Base: "base:1", Compression: c, Config: v1.ImageConfig{Env: []string{"B=3"}, Entrypoint: []string{"/bin/ash"}, Labels: map[string]string{"b": "2"}}}
		res, err := Pack(t.Context(), rootfs, "next:2", o)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Pack(t.Context(), rootfs, "next:3", o)
		if err != nil || again.Manifest != res.Manifest {
			t.Errorf("packed again: %+v, %v; want %s", again, err, res.Manifest)
		}
		b, unpacked, err := unpackIn(t, "next:2", UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(treeOf(t, filepath.Join(b, rootfsName)), "\n"); got != want {
			t.Errorf("%s: tree is\n%s\nwant\n%s", c, got, want)
		}
		if unpacked.Layers != 2 || res.Unpacked >= base.Unpacked {
			t.Errorf("%d layers, the difference has %d bytes of %d", unpacked.Layers, res.Unpacked, base.Unpacked)
		}
		i, err := s.Inspect("next:2", HostPlatform())
		if err != nil {
			t.Fatal(err)
		}
		cfg := i.Config.Config
		if got := fmt.Sprint(cfg.Env, cfg.Entrypoint, cfg.Cmd, cfg.Labels, len(i.Config.History)); got != "[A=1 B=3] [/bin/ash] [] map[a:1 b:2] 2" {
			t.Errorf("config is %s", got)
		}
		// Nothing differs: only the config is new.
		same, err := Pack(t.Context(), filepath.Join(b, rootfsName), "oci:"+t.TempDir()+"/x:1", PackOptions{Store: s.Path(), Base: "next:2"})
		if err != nil || same.Entries != 0 || same.Layer != "" {
			t.Errorf("no difference: %+v, %v", same, err)
		}
		if left, err := s.GC(t.Context(), true); err != nil || len(left) > 0 {
			t.Errorf("left in the store: %v, %v", left, err)
		}
	}
}

// umoci unpacks a difference of ours to the same tree.
func TestPackOnBaseUmoci(t *testing.T) {
	rootfs := sample(t)
	layout := filepath.Join(t.TempDir(), "img")
	if _, err := Pack(t.Context(), rootfs, "oci:"+layout+":one", PackOptions{}); err != nil {
		t.Fatal(err)
	}
	changeTree(t, rootfs)
	if _, err := Pack(t.Context(), rootfs, "oci:"+layout+":two", PackOptions{Base: "oci:" + layout + ":one"}); err != nil {
		t.Fatal(err)
	}
	sameAsUmoci(t, layout, "two")
}

func TestDiff(t *testing.T) {
	s := newStore(t)
	if _, err := Pack(t.Context(), sample(t), "base:1", PackOptions{Store: s.Path()}); err != nil {
		t.Fatal(err)
	}
	plain, _, err := unpackIn(t, "base:1", UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	kept, spec := makeBundle(t, s, "base:1", RootfsCopy)
	shared, _ := makeBundle(t, s, "base:1", RootfsShared)
	for _, b := range []string{plain, kept, shared} {
		if list, err := Diff(t.Context(), b, DiffOptions{}); err != nil || len(list) > 0 {
			t.Errorf("nothing was changed: %+v, %v", list, err)
		}
	}
	importLayers(t, s, "base:1", tarOf(t, ent{name: "f"})) // the name moves on
	for b, rootfs := range map[string]string{plain: plain + "/rootfs", kept: spec.Root.Path} {
		changeTree(t, rootfs)
		list, err := Diff(t.Context(), b, DiffOptions{})
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
	if _, err := Diff(t.Context(), t.TempDir(), DiffOptions{}); err == nil {
		t.Error("diff of no bundle: no error")
	}
	if left, err := s.GC(t.Context(), true); err != nil || len(left) > 4 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}

// A hostile root file system: what is compared is never followed, FIFOs are
// not opened.
func TestDiffHostile(t *testing.T) {
	s := newStore(t)
	importLayers(t, s, "x", tarOf(t, ent{name: "d/"}, ent{name: "d/f", body: "x"}, ent{name: "g", body: "y"}, ent{name: "l", typ: tar.TypeSymlink, link: "d"}))
	b, _, err := unpackIn(t, "x", UnpackOptions{Store: s.Path()})
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
	list, err := Diff(t.Context(), b, DiffOptions{})
	if err != nil || len(list) < 2 || !slices.ContainsFunc(list, func(c Change) bool { return c.Path == "/d" && c.What[0] == "type" }) {
		t.Errorf("changes are %+v, %v", list, err)
	}
	if _, err := Pack(t.Context(), rootfs, "y", PackOptions{Store: s.Path(), Base: "x"}); err != nil {
		t.Error(err)
	}
}
