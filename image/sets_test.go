// Images out of release sets.

package image

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

	"github.com/ulikunitz/xz"
)

// setOf writes a set, compressed as its name says.
func setOf(tb testing.TB, name string, entries ...ent) string {
	tb.Helper()
	data := tarOf(tb, entries...)
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
		b.Write(compressed(tb, data, Gzip))
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
			ent{name: "./"}, ent{name: "./bin/"}, ent{name: "./bin/sh", body: "shell", mode: 0o555}, ent{name: "./bin/[", typ: tar.TypeLink, link: "./bin/sh"},
			ent{name: "./etc/"}, ent{name: "./bin/su", body: "su", mode: 0o4555}, ent{name: "./usr", typ: tar.TypeSymlink, link: "/bin"},
		),
		setOf(tb, "etc.tgz", ent{name: "./"}, ent{name: "./etc/", mode: 0o700}, ent{name: "./etc/passwd", body: "root", mtime: someTime.Add(time.Hour)}),
	}
}

func TestFromSets(t *testing.T) {
	p, err := SetsPlatform("evbarm-aarch64")
	if err != nil || platformName(p) != "netbsd/arm64" {
		t.Fatalf("SetsPlatform = %v, %v", p, err)
	}
	p.OSVersion = "10.1"
	want := []string{
		"bin d 0755", "bin/[ f 0555 5", "bin/sh f 0555 5 = bin/[", "bin/su f 4555 2", "etc d 0700", "etc/passwd f 0644 4", "usr l 0777 -> /bin",
	}
	for _, squash := range []bool{false, true} {
		var first string
		for range 2 {
			s := newStore(t)
			res, err := FromSets(t.Context(), someSets(t), "netbsd:10.1", SetsOptions{Platform: p, Squash: squash, Store: s.Path()})
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = string(res.Manifest)
			}
			if string(res.Manifest) != first {
				t.Errorf("squash=%v: %s, then %s", squash, first, res.Manifest)
			}
			i, err := s.Inspect("netbsd:10.1", p)
			if err != nil || i.Name != "localhost/netbsd:10.1" || i.Config.OSVersion != "10.1" || !i.Config.Created.Equal(someTime.Add(time.Hour)) {
				t.Fatalf("Inspect = %+v, %v", i, err)
			}
			if n := map[bool]int{false: 2, true: 1}[squash]; len(i.Layers) != n || len(i.Config.History) != n {
				t.Errorf("%d layers, %d lines of history; want %d", len(i.Layers), len(i.Config.History), n)
			}
			b, _, err := unpackIn(t, "netbsd:10.1", UnpackOptions{Store: s.Path(), Platform: p})
			if err != nil {
				t.Fatal(err)
			}
			w := slices.Clone(want)
			if squash {
				w[4] = "etc d 0755" // the first one counts
			}
			wantTree(t, b+"/rootfs", w...)
		}
	}
	if _, err := FromSets(t.Context(), someSets(t), "oci-archive:"+t.TempDir()+"/x.tar:1", SetsOptions{Platform: p, Epoch: &someTime}); err != nil {
		t.Error(err)
	}
}

func TestFromSetsEpoch(t *testing.T) {
	p, _ := SetsPlatform("amd64")
	s := newStore(t)
	at := time.Unix(1_000_000_000, 0)
	if _, err := FromSets(t.Context(), someSets(t), "x", SetsOptions{Platform: p, Epoch: &at, Store: s.Path()}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Inspect("x", p)
	if err != nil || !i.Config.Created.Equal(at) {
		t.Errorf("Inspect = %+v, %v", i, err)
	}
	b, _, err := unpackIn(t, "x", UnpackOptions{Store: s.Path(), Platform: p})
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
	data, err := os.ReadFile(setOf(tb, "small.tar.xz", ent{name: "f"}))
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
	p, _ := SetsPlatform("amd64")
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
		"a name out of it":       {[]string{setOf(t, "x.tar", ent{name: "../x"})}, `".."`},
		"a whiteout":             {[]string{setOf(t, "x.tar", ent{name: ".wh.x"})}, "whiteouts"},
		"a link to nothing":      {[]string{setOf(t, "x.tar", ent{name: "a", typ: tar.TypeLink, link: "/etc/passwd"})}, "no file before it"},
		"a file twice":           {[]string{setOf(t, "x.tar", ent{name: "a"}, ent{name: "./a"})}, "x.tar has it"},
		"a file, then directory": {[]string{setOf(t, "x.tar", ent{name: "a"}, ent{name: "a/"})}, "x.tar has it"},
		"an empty set":           {[]string{setOf(t, "x.tar")}, "is empty"},
		"no archive":             {[]string{plain}, "read the entry"},
		"a torn set":             {[]string{torn}, "EOF"},
		"a huge dictionary":      {[]string{hugeDictionary(t)}, "huge.tar.xz: it needs a dictionary of more than the 128 MiB"},
		"a missing set":          {[]string{"/nonexistent"}, "no such file"},
		"a directory":            {[]string{"/etc"}, "no regular file"},
		"no set":                 {nil, "no set"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			if _, err := FromSets(t.Context(), c.sets, "x", SetsOptions{Platform: p, Store: s.Path()}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			if names := storeNames(t, s); len(names) > 0 {
				t.Errorf("the store has %q", names)
			}
			if left, err := s.GC(t.Context(), true); err != nil || slices.ContainsFunc(left, func(l Leftover) bool { return l.Kind == kindPartial }) {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
	s := newStore(t)
	limits := Limits{MaxSize: 1000}
	if _, err := FromSets(t.Context(), good, "x", SetsOptions{Platform: p, Store: s.Path(), Limits: &limits}); err == nil || !strings.Contains(err.Error(), "--max-size") {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := SetsPlatform("a/b/c"); err == nil {
		t.Error("an architecture with slashes was taken")
	}
}

func TestFromSetsSums(t *testing.T) {
	p, _ := SetsPlatform("amd64")
	sets := someSets(t)
	var text string
	for _, set := range sets {
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
		s := newStore(t)
		_, err := FromSets(t.Context(), sets, "x", SetsOptions{Platform: p, Store: s.Path(), Sums: file})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if name == "swapped" && !errors.Is(err, errUnverified) {
			t.Errorf("%s: %v; want a mismatch", name, err)
		}
	}
}

// FuzzSet: whatever the archive holds, the layer that comes of it can be
// unpacked, and nothing around changes.
func FuzzSet(f *testing.F) {
	for _, a := range attacks {
		last := a.layers[len(a.layers)-1]
		if len(last) > 0 && len(last[0].name) < 1000 {
			f.Add(tarOf(f, last...))
		}
	}
	f.Add(tarOf(f, ent{name: "./"}, ent{name: "./a", body: "x"}, ent{name: "./b", typ: tar.TypeLink, link: "a"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var layer bytes.Buffer
		l := &setLayer{
			setReader: &setReader{ctx: t.Context(), o: SetsOptions{Limits: &Limits{MaxPath: 4096}}, budget: &budget{limits: Limits{MaxSize: 8 << 20, MaxEntries: 1000}}},
			tw:        tar.NewWriter(&layer), seen: map[string]seenEntry{}, buf: make([]byte, 1000), set: "fuzz",
		}
		if l.archive(bytes.NewReader(data)) != nil || l.tw.Close() != nil {
			return
		}
		names := map[string]bool{}
		tr := tar.NewReader(&layer)
		for {
			hdr, err := tr.Next()
			if err != nil {
				break
			}
			name := strings.TrimSuffix(hdr.Name, "/")
			if names[name] || strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), "..") || strings.Contains(name, "/.wh.") || strings.HasPrefix(name, ".wh.") {
				t.Fatalf("an entry %q came out", hdr.Name)
			}
			names[name] = true
		}
	})
}

// FuzzSums: only whole checksums come out.
func FuzzSums(f *testing.F) {
	f.Add("SHA512 (base.tar.xz) = " + strings.Repeat("0", 128) + "\n")
	f.Add("SHA512 () = \nSHA512 (a) = b")
	f.Fuzz(func(t *testing.T, text string) {
		for name, sum := range parseSums(text) {
			if len(sum) != 128 || strings.Contains(name, "\n") {
				t.Fatalf("%q gave %q: %q", text, name, sum)
			}
		}
	})
}
