package image

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

var sample = []File{{"sbin/init", 0o555, ""}, {"vm/deep/program", 0o555, ""}, {"etc/plan", 0o444, ""}, {"bin/[", 0o555, ""}, {"usr/bin/vi", 0, "nvi"}}

func TestSpecGolden(t *testing.T) {
	got, err := Spec("amd64", sample)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/sample.mtree"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("Spec gives (%v)\n%s\nwant\n%s", err, got, want)
	}
}

func TestSpecRefuses(t *testing.T) {
	for _, p := range []string{"", ".", "/abs", "../up", "a/../b", "a b", "a\nb", "a\\040b", "a*"} {
		if _, err := Spec("amd64", []File{{p, 0o444, ""}}); err == nil {
			t.Errorf("Spec takes the path %q", p)
		}
	}
}

// A port's numbers are amd64's but for those that majors names.
func TestSpecOfPort(t *testing.T) {
	amd64, err := Spec("amd64", nil)
	if err != nil {
		t.Fatal(err)
	}
	i386, err := Spec("i386", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"./dev/clockctl type=char device=netbsd,79,", "./dev/clockctl type=char device=netbsd,89,",
		"./dev/ksyms type=char device=netbsd,85,", "./dev/ksyms type=char device=netbsd,101,",
	).Replace(amd64)
	if i386 != want || i386 == amd64 {
		t.Errorf("Spec of i386 gives\n%s\nwant\n%s", i386, want)
	}
}

func TestDevicesOnce(t *testing.T) {
	names := map[string]bool{}
	for _, d := range devices {
		if names[d.name] || d.mode&0o111 != 0 || d.mode == 0 {
			t.Errorf("device %q: twice, or mode %o is odd", d.name, d.mode)
		}
		names[d.name] = true
	}
}

// The image is a clean FFS with the superblock where NetBSD looks for it, the
// files' contents and room to spare.
func TestMake(t *testing.T) {
	makefs, err := exec.LookPath("makefs")
	if err != nil {
		t.Fatal("makefs is missing: the package of that name has it")
	}
	from, out := t.TempDir(), filepath.Join(t.TempDir(), "root.img")
	for _, f := range sample {
		if err := os.MkdirAll(filepath.Join(from, filepath.Dir(f.Path)), 0o755); err != nil {
			t.Fatal(err)
		}
		put := func() error {
			return os.WriteFile(filepath.Join(from, f.Path), []byte("the content of "+f.Path+"\n"), 0o644)
		}
		if f.Link != "" {
			put = func() error { return os.Symlink(f.Link, filepath.Join(from, f.Path)) }
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(from, "stray"), []byte("the content of stray\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Make(t.Context(), makefs, out, "amd64", from, sample); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const superblock, magicAt, cleanAt, ffs1 = 8192, 1372, 209, 0x011954
	if magic := binary.LittleEndian.Uint32(b[superblock+magicAt:]); magic != ffs1 {
		t.Errorf("magic number = %#x; want %#x", magic, ffs1)
	}
	if clean := b[superblock+cleanAt]; clean != 1 {
		t.Errorf("clean flag = %d; want 1", clean)
	}
	if len(b) < Free {
		t.Errorf("image has %d bytes; want at least %d", len(b), Free)
	}
	for _, f := range sample {
		if f.Link == "" && !bytes.Contains(b, []byte("the content of "+f.Path)) || !bytes.Contains(b, []byte(filepath.Base(f.Path)+"\x00")) {
			t.Errorf("%s is not in the image", f.Path)
		}
	}
	if bytes.Contains(b, []byte("stray")) {
		t.Error("a file that the list does not name is in the image")
	}
}

func TestMakeSaysWhat(t *testing.T) {
	err := Make(t.Context(), "/bin/false", "/nonexistent/x", "amd64", t.TempDir(), sample)
	if err == nil || !strings.Contains(err.Error(), "sbin/init") {
		t.Errorf("Make without the files = %v; want a message that names one", err)
	}
}
