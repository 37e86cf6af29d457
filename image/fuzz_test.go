// Everything that parses what an image says, under a fuzzer.

package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzApply applies an arbitrary archive as a second layer, as it stands.
// Whatever happens, nothing around the tree changes, and the tree can be
// removed.
func FuzzApply(f *testing.F) {
	for _, a := range attacks {
		last := a.layers[len(a.layers)-1]
		if len(last[0].name) < 1000 {
			f.Add(tarOf(f, last...))
		}
	}
	for _, c := range changes {
		f.Add(tarOf(f, c.layers[len(c.layers)-1]...))
	}
	base := tarOf(f,
		ent{name: "d/f"}, ent{name: "d/sub/g"}, ent{name: "l", typ: tar.TypeSymlink, link: "../../victim"},
		ent{name: "e", typ: tar.TypeSymlink, link: "/d"}, ent{name: "f"},
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		around := canary(t)
		before := outside(treeOf(t, around))
		rootfs := filepath.Join(around, "in", "bundle")
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			t.Fatal(err)
		}
		applyRaw(t, rootfs, base, data)
		if after := outside(treeOf(t, around)); after != before {
			t.Errorf("the tree around changed:\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
}

func applyRaw(t *testing.T, rootfs string, layers ...[]byte) {
	t.Helper()
	dir, err := os.Open(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	tr, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := newApplier(tr, Limits{MaxSize: 8 << 20, MaxEntries: 1000, MaxPath: 4096}, &notes{}, false)
	for i, data := range layers {
		a.number, a.own = i+1, nil
		if i > 0 {
			a.own = newPathSet()
		}
		err := a.entries(t.Context(), bytes.NewReader(data))
		var refused *EntryError
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
		names, err := components(name, 4096)
		if err == nil {
			for _, n := range names {
				if n == "" || n == "." || n == ".." || strings.ContainsAny(n, "/\x00") || len(n) > maxName {
					t.Fatalf("components(%q) has %q", name, n)
				}
			}
		}
		around := canary(t)
		before := outside(treeOf(t, around))
		rootfs := filepath.Join(around, "in", "bundle")
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			t.Fatal(err)
		}
		dir, err := os.Open(rootfs)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		tr, err := openTree(dir)
		if err != nil {
			t.Fatal(err)
		}
		a := newApplier(tr, DefaultLimits(), &notes{}, false)
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
		_, _ = tr.readFile("l/"+name, 100)
		if err := tr.Close(); err != nil {
			t.Errorf("leave the tree: %v", err)
		}
		if after := outside(treeOf(t, around)); after != before {
			t.Errorf("the tree around changed:\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
}

// FuzzDocuments parses index, manifest and config.
func FuzzDocuments(f *testing.F) {
	for _, s := range []string{
		`{"schemaVersion":2,"manifests":[{"mediaType":"` + v1.MediaTypeImageManifest + `","digest":"sha256:x","size":1,"platform":{"os":"a","architecture":"b"}}]}`,
		`{"schemaVersion":2,"config":{},"layers":[{"mediaType":"` + v1.MediaTypeImageLayer + `"}]}`,
		`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`, `{"CONFIG":1,"config":2}`, `[`, `null`, `{"config":{}}{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, xerr := parseIndex(data, v1.MediaTypeImageIndex)
		m, merr := parseManifest(data, v1.MediaTypeImageManifest)
		if xerr == nil && merr == nil {
			t.Fatalf("read as an index %+v and as a manifest %+v", x, m)
		}
		if merr == nil {
			if layers, err := pairLayers(m, &v1.Image{RootFS: v1.RootFS{DiffIDs: make([]digest.Digest, len(m.Layers))}}); err == nil && len(layers) > 0 {
				t.Fatalf("layers without digests: %+v", layers)
			}
		}
	})
}

// FuzzDigest: what is accepted is a safe file name.
func FuzzDigest(f *testing.F) {
	for _, s := range []string{string(digest.FromBytes(nil)), "sha256:../../x", "sha512:" + strings.Repeat("a", 128), "md5:x", ":", "sha256:", "sha384:" + strings.Repeat("a", 96)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := digest.Digest(s)
		if checkDigest(d) != nil {
			return
		}
		if name := blobName(d); strings.Count(name, "/") != 2 || strings.ContainsAny(name, ".\x00") || name != "blobs/"+strings.Replace(s, ":", "/", 1) {
			t.Fatalf("the blob of %q is the file %q", s, name)
		}
	})
}

// FuzzReference: what parses prints as something that parses to the same.
func FuzzReference(f *testing.F) {
	for _, s := range []string{"oci:a:b", "oci-archive:x.tar", "x:y:z", "docker://a", "oci:", "./a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			return
		}
		if r.Path == "" || strings.ContainsRune(r.Path, 0) {
			t.Fatalf("ParseReference(%q) = %+v", s, r)
		}
		if again, err := ParseReference(r.String()); err != nil || again != r {
			t.Fatalf("ParseReference(%q) = %+v; again %+v, %v", s, r, again, err)
		}
	})
}

// FuzzPlatform: the same for platforms.
func FuzzPlatform(f *testing.F) {
	for _, s := range []string{"linux/amd64", "linux/arm/v7", "a//b", "x86_64/x86_64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlatform(s)
		if err != nil {
			return
		}
		if again, err := ParsePlatform(platformName(p)); err != nil || platformName(again) != platformName(p) {
			t.Fatalf("ParsePlatform(%q) = %+v; again %+v, %v", s, p, again, err)
		}
	})
}

// FuzzExposed: ports are in range and sorted, whatever the image says.
func FuzzExposed(f *testing.F) {
	for _, s := range []string{"80", "80/tcp", "8000-8010/udp", "0", "1-65535", "-", "80/", "99999"} {
		f.Add(s, "443")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		list, err := exposed(map[string]struct{}{a: {}, b: {}})
		if err != nil {
			return
		}
		for _, p := range list {
			if strings.HasPrefix(p, "0") || strings.ContainsAny(p, ",: ") || len(p) > len("65535/tcp") {
				t.Fatalf("exposed(%q, %q) = %q", a, b, list)
			}
		}
	})
}

// FuzzArchive opens an arbitrary file as an image.
func FuzzArchive(f *testing.F) {
	f.Add(tarOf(f, ent{name: v1.ImageLayoutFile, body: layoutContent}, ent{name: v1.ImageIndexFile, body: `{"schemaVersion":2,"manifests":[]}`}))
	f.Add(compressed(f, tarOf(f, ent{name: v1.ImageLayoutFile, body: layoutContent}), Gzip))
	f.Add(compressed(f, tarOf(f, ent{name: v1.ImageLayoutFile, body: layoutContent}), Zstd))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, _, err := Open(Reference{LayoutArchive, file, ""}, Limits{MaxSize: 8 << 20})
		if err != nil {
			return
		}
		defer l.Close()
		_, _ = l.Image("", HostPlatform())
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
