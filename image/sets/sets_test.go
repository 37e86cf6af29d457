package sets_test

// Images out of release sets.

import (
	"archive/tar"
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/sets"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/ulikunitz/xz"
)

// setOf writes a set, compressed as its name says.
func setOf(tb testing.TB, name string, entries ...imagetest.Entry) string {
	tb.Helper()
	data := imagetest.Tar(tb, entries...)
	var b bytes.Buffer
	switch filepath.Ext(name) {
	case ".xz":
		w, err := xz.NewWriter(&b)
		if err != nil {
			tb.Fatal(err)
		}
		w.Write(data)
		w.Close()
	case ".tgz":
		b.Write(imagetest.Compress(tb, data, image.Gzip))
	default:
		b.Write(data)
	}
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}

func someSets(tb testing.TB) []string {
	tb.Helper()
	return []string{
		setOf(tb, "base.tar.xz",
			imagetest.Entry{Name: "./"}, imagetest.Entry{Name: "./bin/"}, imagetest.Entry{Name: "./bin/sh", Body: "shell", Mode: 0o555}, imagetest.Entry{Name: "./bin/[", Type: tar.TypeLink, Link: "./bin/sh"},
			imagetest.Entry{Name: "./etc/"}, imagetest.Entry{Name: "./bin/su", Body: "su", Mode: 0o4555}, imagetest.Entry{Name: "./usr", Type: tar.TypeSymlink, Link: "/bin"},
		),
		setOf(tb, "etc.tgz", imagetest.Entry{Name: "./"}, imagetest.Entry{Name: "./etc/", Mode: 0o700}, imagetest.Entry{Name: "./etc/passwd", Body: "root", ModTime: imagetest.Time.Add(time.Hour)}),
	}
}

func TestFromSets(t *testing.T) {
	p, err := sets.Platform("evbarm-aarch64")
	if err != nil || p.OS != "netbsd" || p.Architecture != "arm64" {
		t.Fatalf("SetsPlatform = %v, %v", p, err)
	}
	p.OSVersion = "10.1"
	want := []string{
		"bin d 0755", "bin/[ f 0555 5", "bin/sh f 0555 5 = bin/[", "bin/su f 4555 2", "etc d 0700", "etc/passwd f 0644 4", "usr l 0777 -> /bin",
	}
	for _, squash := range []bool{false, true} {
		var first string
		for range 2 {
			s := story.NewStore(t)
			res, err := sets.FromSets(t.Context(), someSets(t), "netbsd:10.1", sets.Options{Platform: p, Squash: squash, Store: s.Path()})
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = string(res.Manifest)
			}
			if string(res.Manifest) != first {
				t.Errorf("squash=%v: %s, then %s", squash, first, res.Manifest)
			}
			i, err := s.Inspect("netbsd:10.1", manifest.Want{Platform: p})
			if err != nil || i.Name != "localhost/netbsd:10.1" || i.Config.OSVersion != "10.1" || !i.Config.Created.Equal(imagetest.Time.Add(time.Hour)) {
				t.Fatalf("Inspect = %+v, %v", i, err)
			}
			if n := map[bool]int{false: 2, true: 1}[squash]; len(i.Layers) != n || len(i.Config.History) != n {
				t.Errorf("%d layers, %d lines of history; want %d", len(i.Layers), len(i.Config.History), n)
			}
			b, _, err := story.Unpack(t, "netbsd:10.1", bundle.UnpackOptions{Store: s.Path(), Platform: p})
			if err != nil {
				t.Fatal(err)
			}
			w := slices.Clone(want)
			if squash {
				w[4] = "etc d 0755" // the first one counts
			}
			imagetest.WantTree(t, b+"/rootfs", w...)
		}
	}
	if _, err := sets.FromSets(t.Context(), someSets(t), "oci-archive:"+t.TempDir()+"/x.tar:1", sets.Options{Platform: p, Epoch: &imagetest.Time}); err != nil {
		t.Error(err)
	}
}

func TestFromSetsEpoch(t *testing.T) {
	p, _ := sets.Platform("amd64")
	s := story.NewStore(t)
	at := time.Unix(1_000_000_000, 0)
	if _, err := sets.FromSets(t.Context(), someSets(t), "x", sets.Options{Platform: p, Epoch: &at, Store: s.Path()}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Inspect("x", manifest.Want{Platform: p})
	if err != nil || !i.Config.Created.Equal(at) {
		t.Errorf("Inspect = %+v, %v", i, err)
	}
	b, _, err := story.Unpack(t, "x", bundle.UnpackOptions{Store: s.Path(), Platform: p})
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(b + "/rootfs/etc/passwd"); err != nil || !fi.ModTime().Equal(at) {
		t.Errorf("a file is of %v, %v; want %v", fi.ModTime(), err, at)
	}
}

// hugeDictionary is a set whose xz header asks for 4 GiB of memory.
func hugeDictionary(tb testing.TB) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "huge.tar.xz")
	data, err := os.ReadFile(setOf(tb, "small.tar.xz", imagetest.Entry{Name: "f"}))
	if err != nil {
		tb.Fatal(err)
	}
	header := data[12:][:4*(int(data[12])+1)] // of the first block, after the stream's
	at := bytes.Index(header, []byte{0x21, 1})
	header[at+2] = 40
	binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
	if err := os.WriteFile(name, data, 0o644); err != nil {
		tb.Fatal(err)
	}
	return name
}

func TestFromSetsRefuses(t *testing.T) {
	p, _ := sets.Platform("amd64")
	good := someSets(t)
	plain := filepath.Join(t.TempDir(), "plain.txt")
	os.WriteFile(plain, []byte("no archive at all\n"), 0o644)
	torn := filepath.Join(t.TempDir(), "torn.tar.xz")
	data, _ := os.ReadFile(good[0])
	os.WriteFile(torn, data[:len(data)-20], 0o644)
	for name, c := range map[string]struct {
		sets []string
		want string
	}{
		"a name out of it":       {[]string{setOf(t, "x.tar", imagetest.Entry{Name: "../x"})}, `".."`},
		"a whiteout":             {[]string{setOf(t, "x.tar", imagetest.Entry{Name: ".wh.x"})}, "whiteouts"},
		"a link to nothing":      {[]string{setOf(t, "x.tar", imagetest.Entry{Name: "a", Type: tar.TypeLink, Link: "/etc/passwd"})}, "no file before it"},
		"a file twice":           {[]string{setOf(t, "x.tar", imagetest.Entry{Name: "a"}, imagetest.Entry{Name: "./a"})}, "x.tar has it"},
		"a file, then directory": {[]string{setOf(t, "x.tar", imagetest.Entry{Name: "a"}, imagetest.Entry{Name: "a/"})}, "x.tar has it"},
		"an empty set":           {[]string{setOf(t, "x.tar")}, "is empty"},
		"no archive":             {[]string{plain}, "read the entry"},
		"a torn set":             {[]string{torn}, "EOF"},
		"a huge dictionary":      {[]string{hugeDictionary(t)}, "huge.tar.xz: it needs a dictionary of more than the 128 MiB"},
		"a missing set":          {[]string{"/nonexistent"}, "no such file"},
		"a directory":            {[]string{"/etc"}, "no regular file"},
		"no set":                 {nil, "no set"},
	} {
		t.Run(name, func(t *testing.T) {
			s := story.NewStore(t)
			if _, err := sets.FromSets(t.Context(), c.sets, "x", sets.Options{Platform: p, Store: s.Path()}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			if names := story.Names(t, s); len(names) > 0 {
				t.Errorf("the store has %q", names)
			}
			if left, err := s.GC(t.Context(), true); err != nil || slices.ContainsFunc(left, func(l store.Leftover) bool { return l.Kind == "interrupted transfer" }) {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
	s := story.NewStore(t)
	limits := image.Limits{MaxSize: 1000}
	if _, err := sets.FromSets(t.Context(), good, "x", sets.Options{Platform: p, Store: s.Path(), Limits: &limits}); err == nil || !strings.Contains(err.Error(), "--max-size") {
		t.Errorf("over the limit: %v", err)
	}
	for _, arch := range []string{"../x", "..", "", "evbarm-", "amd64/v2", "evbarm-../../x"} {
		if p, err := sets.Platform(arch); err == nil {
			t.Errorf("Platform(%q) = %v; want an error", arch, p)
		}
	}
	if _, err := sets.Platform("a/b/c"); err == nil {
		t.Error("an architecture with slashes was taken")
	}
}

func TestFromSetsSums(t *testing.T) {
	p, _ := sets.Platform("amd64")
	list := someSets(t)
	var text string
	for _, set := range list {
		data, _ := os.ReadFile(set)
		text += fmt.Sprintf("SHA512 (%s) = %x\n", filepath.Base(set), sha512.Sum512(data))
	}
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"right": {text, true}, "wrong": {strings.Replace(text, ") = ", ") = 00", 2), false}, "other": {strings.ReplaceAll(text, "SHA512", "MD5"), false},
		"swapped": {strings.NewReplacer("base.tar.xz", "etc.tgz", "etc.tgz", "base.tar.xz").Replace(text), false},
	} {
		file := filepath.Join(t.TempDir(), "SHA512")
		os.WriteFile(file, []byte(c.text), 0o644)
		s := story.NewStore(t)
		_, err := sets.FromSets(t.Context(), list, "x", sets.Options{Platform: p, Store: s.Path(), Sums: file})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if name == "swapped" && !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s: %v; want a mismatch", name, err)
		}
	}
}

// CVE-2026-41567, CVE-2019-14271: nothing is decompressed or copied by a
// program, neither one of the image nor one found through PATH.
func TestNoHelpers(t *testing.T) {
	bin, ran := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	script := "#!/bin/sh\necho $0 >>" + ran + "\n"
	programs := []string{"gzip", "gunzip", "pigz", "unpigz", "zstd", "unzstd", "xz", "unxz", "tar", "bsdtar", "cp", "docker-untar"}
	var entries []imagetest.Entry
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(bin, p), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, imagetest.Entry{Name: "bin/" + p, Body: script, Mode: 0o755}, imagetest.Entry{Name: "usr/bin/" + p, Body: script, Mode: 0o755})
	}
	t.Setenv("PATH", bin)
	layers := [][]byte{imagetest.Tar(t, entries...), imagetest.Tar(t, imagetest.Entry{Name: "a"}), imagetest.Tar(t, imagetest.Entry{Name: "b"})} // gzip, zstd, plain
	b, _, err := story.Unpack(t, imagetest.LayoutOf(t, layers...), bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Pack(t.Context(), filepath.Join(b, "rootfs"), filepath.Join(t.TempDir(), "img"), pack.Options{}); err != nil {
		t.Error(err)
	}
	p, _ := sets.Platform("amd64")
	if _, err := sets.FromSets(t.Context(), someSets(t), "x", sets.Options{Platform: p, Store: story.NewStore(t).Path()}); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(ran); err == nil {
		t.Errorf("these programs ran:\n%s", data)
	}
}
