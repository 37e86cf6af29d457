package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/kmod/inroot"
)

// FuzzApply applies an arbitrary archive as a second layer, as it stands.
// Whatever happens, nothing around the tree changes, and the tree can be
// removed.
func FuzzApply(f *testing.F) {
	for _, a := range imagetest.Attacks {
		last := a.Layers[len(a.Layers)-1]
		if len(last[0].Name) < 1000 {
			f.Add(imagetest.Tar(f, last...))
		}
	}
	for _, c := range imagetest.Changes {
		f.Add(imagetest.Tar(f, c.Layers[len(c.Layers)-1]...))
	}
	base := imagetest.Tar(f,
		imagetest.Entry{Name: "d/f"}, imagetest.Entry{Name: "d/sub/g"}, imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "../../victim"},
		imagetest.Entry{Name: "e", Type: tar.TypeSymlink, Link: "/d"}, imagetest.Entry{Name: "f"},
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		around := imagetest.Canary(t)
		before := imagetest.Outside(imagetest.Tree(t, around))
		rootfs := filepath.Join(around, "in", "bundle")
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			t.Fatal(err)
		}
		applyRaw(t, rootfs, base, data)
		if after := imagetest.Outside(imagetest.Tree(t, around)); after != before {
			t.Errorf("the tree around changed:\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
}

// applyRaw applies layers as they stand, as far as they go.
func applyRaw(t *testing.T, rootfs string, layers ...[]byte) {
	t.Helper()
	dir, err := os.Open(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	tr, err := inroot.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := NewApplier(tr, image.Limits{MaxSize: 8 << 20, MaxEntries: 1000, MaxPath: 4096}, &image.Notes{}, false)
	for i, data := range layers {
		a.number, a.own = i+1, nil
		if i > 0 {
			a.own = newPathSet()
		}
		err := a.entries(t.Context(), bytes.NewReader(data))
		var refused *image.EntryError
		if errors.As(err, &refused) && (refused.Layer != i+1 || refused.Reason == nil) {
			t.Errorf("refused without saying what: %+v", refused)
		}
	}
	if err := tr.Close(); err != nil {
		t.Errorf("leave the tree: %v", err)
	}
}

// FuzzNames makes a file, a whiteout, a hard link and a link of arbitrary
// names, which is where path handling goes wrong.
func FuzzNames(f *testing.F) {
	for _, s := range [][2]string{
		{"a", "b"},
		{"../x", "/etc/passwd"},
		{".wh.", ".wh..wh..opq"},
		{"a/.wh...", "l/../.."},
		{"//a/./b//", "."},
		{"e/e/e", "/e"},
		{strings.Repeat("a/", 600), strings.Repeat("../", 600)},
		{"\x00", "a\x00b"},
		{"\xff\xfe", "l/victim"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, name, link string) {
		names, err := image.Components(name, 4096)
		if err == nil {
			for _, n := range names {
				if n == "" || n == "." || n == ".." || strings.ContainsAny(n, "/\x00") || len(n) > 255 {
					t.Fatalf("components(%q) has %q", name, n)
				}
			}
		}
		around := imagetest.Canary(t)
		before := imagetest.Outside(imagetest.Tree(t, around))
		rootfs := filepath.Join(around, "in", "bundle")
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			t.Fatal(err)
		}
		dir, err := os.Open(rootfs)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		tr, err := inroot.OpenTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		a := NewApplier(tr, image.DefaultLimits(), &image.Notes{}, false)
		a.own = newPathSet()
		for _, h := range []tar.Header{
			{Typeflag: tar.TypeSymlink, Name: "l", Linkname: link},
			{Typeflag: tar.TypeReg, Name: name}, // these fail or not: both are right
			{Typeflag: tar.TypeReg, Name: "l/" + name},
			{Typeflag: tar.TypeLink, Name: "h", Linkname: link},
			{Typeflag: tar.TypeReg, Name: ".wh." + name},
			{Typeflag: tar.TypeReg, Name: "l/.wh." + name},
			{Typeflag: tar.TypeReg, Name: "l/.wh..wh..opq"},
		} {
			_ = a.entry(&h, strings.NewReader(""))
		}
		_, _ = tr.ReadFile("l/"+name, 100)
		if err := tr.Close(); err != nil {
			t.Errorf("leave the tree: %v", err)
		}
		if after := imagetest.Outside(imagetest.Tree(t, around)); after != before {
			t.Errorf("the tree around changed:\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
}

// FuzzOwner: what is read is an owner, and is read from what we write.
func FuzzOwner(f *testing.F) {
	f.Add(encodeOwner(0, 0))
	f.Add(encodeOwner(70_000, 1<<32-2))
	f.Add([]byte{ownerGID, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		uid, gid, ok := decodeOwner(b)
		if !ok {
			return
		}
		if u, g, ok := decodeOwner(encodeOwner(uid, gid)); !ok || u != uid || g != gid || uid == 1<<32-1 || gid == 1<<32-1 {
			t.Fatalf("%x is %d:%d; again %d:%d, %v", b, uid, gid, u, g, ok)
		}
	})
}
