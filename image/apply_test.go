// What a layer does to a tree: whiteouts, replacements, links, metadata.

package image

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

var changes = []struct {
	name   string
	layers [][]ent
	tree   []string
}{
	{
		"a whiteout hides a file and a directory of a lower layer",
		[][]ent{{{name: "d/f"}, {name: "d/g"}, {name: "e/f"}}, {{name: "d/.wh.f"}, {name: ".wh.e"}}},
		[]string{"d d 0755", "d/g f 0644 0"},
	},
	{
		"a whiteout of nothing, in no directory",
		[][]ent{{{name: "f"}}, {{name: ".wh.g"}, {name: "no/such/.wh.h"}, {name: "f/.wh.x"}}},
		[]string{"f f 0644 0"},
	},
	{
		"a whiteout in the lowest layer hides nothing",
		[][]ent{{{name: "f"}, {name: ".wh.f"}, {name: "d/g"}, {name: "d/.wh..wh..opq"}}},
		[]string{"d d 0755", "d/g f 0644 0", "f f 0644 0"},
	},
	{
		"a whiteout never hides its own layer's entry, before or after it",
		[][]ent{{{name: "f", body: "old"}, {name: "g", body: "old"}}, {{name: ".wh.f"}, {name: "f", body: "new!"}, {name: "g", body: "new!"}, {name: ".wh.g"}}},
		[]string{"f f 0644 4", "g f 0644 4"},
	},
	{
		"a whiteout of a directory keeps what its own layer put there",
		[][]ent{{{name: "d/old"}, {name: "d/sub/old"}}, {{name: "d/sub/new"}, {name: ".wh.d"}}},
		[]string{"d d 0755", "d/sub d 0755", "d/sub/new f 0644 0"},
	},
	{
		"an opaque marker before its siblings",
		[][]ent{{{name: "d/old"}, {name: "d/sub/old"}}, {{name: "d/.wh..wh..opq"}, {name: "d/new"}}},
		[]string{"d d 0755", "d/new f 0644 0"},
	},
	{
		"an opaque marker after its siblings hides lower layers only",
		[][]ent{{{name: "d/old"}, {name: "d/sub/old"}, {name: "d/both", body: "1"}}, {{name: "d/new"}, {name: "d/sub/new"}, {name: "d/both", body: "22"}, {name: "d/.wh..wh..opq"}}},
		[]string{"d d 0755", "d/both f 0644 2", "d/new f 0644 0", "d/sub d 0755", "d/sub/new f 0644 0"},
	},
	{
		"an opaque marker at the root",
		[][]ent{{{name: "a"}, {name: "b/c"}}, {{name: "n"}, {name: ".wh..wh..opq"}}},
		[]string{"n f 0644 0"},
	},
	{
		"opaque hides two lower layers, and the next layer starts anew",
		[][]ent{{{name: "d/1"}}, {{name: "d/2"}}, {{name: "d/.wh..wh..opq"}, {name: "d/3"}}, {{name: "d/4"}, {name: "d/.wh.3"}}},
		[]string{"d d 0755", "d/4 f 0644 0"},
	},
	{
		"opaque under a link means the directory behind it",
		[][]ent{{{name: "real/old"}, {name: "l", typ: tar.TypeSymlink, link: "real"}}, {{name: "l/new"}, {name: "l/.wh..wh..opq"}}},
		[]string{"l l 0777 -> real", "real d 0755", "real/new f 0644 0"},
	},
	{
		"a hard link survives opaque if this layer made it",
		[][]ent{{{name: "d/old", body: "x"}}, {{name: "d/new", typ: tar.TypeLink, link: "d/old"}, {name: "d/.wh..wh..opq"}}},
		[]string{"d d 0755", "d/new f 0644 1"},
	},
	{
		"a directory replaces a file and a file a directory",
		[][]ent{{{name: "f"}, {name: "d/sub/f"}}, {{name: "f/"}, {name: "f/x"}, {name: "d", body: "file"}}},
		[]string{"d f 0644 4", "f d 0755", "f/x f 0644 0"},
	},
	{
		"everything replaces everything",
		[][]ent{
			{{name: "a"}, {name: "b/x/y"}, {name: "c", typ: tar.TypeSymlink, link: "b"}, {name: "d", typ: tar.TypeFifo}, {name: "e", typ: tar.TypeChar, major: 1, minor: 3}},
			{{name: "b", typ: tar.TypeFifo}, {name: "c", typ: tar.TypeChar, major: 1, minor: 5}, {name: "d", typ: tar.TypeSymlink, link: "a"}, {name: "e/"}, {name: "a", typ: tar.TypeBlock, major: 7, minor: 300}},
		},
		[]string{"a b 0644 7:300", "b p 0644", "c c 0644 1:5", "d l 0777 -> a", "e d 0755"},
	},
	{
		"the same name twice in a layer: the last counts",
		[][]ent{{{name: "f", body: "1"}, {name: "f", body: "22"}, {name: "d/x"}, {name: "d", body: "333"}}},
		[]string{"d f 0644 3", "f f 0644 2"},
	},
	{
		"a directory that is there keeps its content and gets the new mode",
		[][]ent{{{name: "d/", mode: 0o700}, {name: "d/f"}}, {{name: "d/", mode: 0o1777}}},
		[]string{"d d 1777", "d/f f 0644 0"},
	},
	{
		"merged /usr: entries below a link go where it leads",
		[][]ent{{{name: "usr/bin/sh"}, {name: "bin", typ: tar.TypeSymlink, link: "usr/bin"}, {name: "var/run", typ: tar.TypeSymlink, link: "/run"}}, {{name: "bin/ls"}, {name: "var/run/pid"}}},
		[]string{
			"bin l 0777 -> usr/bin", "run d 0755", "run/pid f 0644 0", "usr d 0755", "usr/bin d 0755", "usr/bin/ls f 0644 0",
			"usr/bin/sh f 0644 0", "var d 0755", "var/run l 0777 -> /run",
		},
	},
	{
		"directories without an entry are made",
		[][]ent{{{name: "a/b/c/f", mode: 0o600}}},
		[]string{"a d 0755", "a/b d 0755", "a/b/c d 0755", "a/b/c/f f 0600 0"},
	},
	{
		"set-id bits survive owner and content",
		[][]ent{{{name: "su", mode: 0o6755, body: "x"}, {name: "d/", mode: 0o2775}, {name: "d/f"}, {name: "t/", mode: 0o1777}}},
		[]string{"d d 2775", "d/f f 0644 0", "su f 6755 1", "t d 1777"},
	},
	{
		"a directory nobody may enter",
		[][]ent{{{name: "z/", mode: 0o10000}, {name: "z/f", mode: 0o10000}}},
		[]string{"z d 0000", "z/f f 0000 0"},
	},
	{
		"spellings of one name",
		[][]ent{{{name: "./a//b/./f"}, {name: "a/b/g"}}},
		[]string{"a d 0755", "a/b d 0755", "a/b/f f 0644 0", "a/b/g f 0644 0"},
	},
}

func TestChanges(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range c.layers {
				layers = append(layers, tarOf(t, l...))
			}
			wantTree(t, unpackLayers(t, layers...), c.tree...)
		})
	}
}

// Ids that an int has no room for on 32-bit ports.
var bigID, biggestID, noID uint32 = 4_000_000_000, 1<<32 - 2, 1<<32 - 1

func TestOwnersAndTimes(t *testing.T) {
	old, older := someTime, someTime.Add(-time.Hour+123*time.Nanosecond)
	rootfs := unpackLayers(
		t,
		tarOf(t,
			ent{name: ".", mode: 0o711, mtime: older},
			ent{name: "d/", uid: 10, gid: 20, mtime: older},
			ent{name: "d/f", uid: 1000, gid: 100, mode: 0o4711, mtime: older, body: "x"},
			ent{name: "d/l", typ: tar.TypeSymlink, link: "f", uid: 7, gid: 8, mtime: older},
			ent{name: "d/p", typ: tar.TypeFifo, uid: 7, gid: 8, mtime: older},
			ent{name: "big", uid: int64(bigID), gid: int64(biggestID), mtime: old},
			ent{name: "g/", gid: 20, mode: 0o2755},
			ent{name: "g/f", mode: 0o2755},
		),
		// A file more in a directory that this layer does not list, and one
		// less: the directory keeps its time.
		tarOf(t, ent{name: "d/g", mtime: old}, ent{name: "d/.wh.p"}),
	)
	got := strings.Join(treeOf(t, rootfs), "\n")
	for _, want := range []string{
		". d 0711 0:0",
		"d d 0755 10:20",
		"d/f f 4711 1000:100 1",
		"d/l l 0777 7:8 -> f",
		"big f 0644 4000000000:4294967294 0",
		"g d 2755 0:20",
		"g/f f 2755 0:0 0", // not the group that the system gave it at first
		"mtime . 1499996400.000000000",
		"mtime d 1499996400.000000000",
		"mtime d/f 1499996400.000000000",
		"mtime d/l 1499996400.000000000",
		"mtime d/g 1500000000.000000000",
	} {
		if !strings.Contains(got+"\n", want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
}

// PAX keeps nanoseconds; so do we.
func TestNanoseconds(t *testing.T) {
	at := time.Unix(1_600_000_000, 123456789)
	rootfs := unpackLayers(t, tarOf(t, ent{name: "f", mtime: at, pax: map[string]string{"VENDOR.x": "y"}}))
	fi, err := os.Lstat(filepath.Join(rootfs, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.ModTime(); got.Unix() != at.Unix() {
		t.Errorf("time is %v; want %v", got, at)
	}
}

func TestOwnerOutOfRange(t *testing.T) {
	_, _, err := unpackIn(t, layoutOf(t, tarOf(t, ent{name: "f", uid: int64(noID)})), UnpackOptions{})
	if err == nil || !strings.Contains(err.Error(), "owner 4294967295:0 is out of range") {
		t.Errorf("error is %v; want the owner refused", err)
	}
}

func TestXattrs(t *testing.T) {
	if err := unix.Setxattr(t.TempDir(), "user.test", nil, 0); err != nil {
		t.Fatalf("these tests need a file system with attributes below %s: %v", os.TempDir(), err)
	}
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	bundle, res, err := unpackIn(t, layoutOf(t,
		tarOf(t,
			ent{name: "f", uid: 5, pax: map[string]string{paxXattr + "user.a": "1\x002", paxXattr + "security.capability": capability}},
			ent{name: "d/", pax: map[string]string{paxXattr + "user.low": "1"}},
			ent{name: "x", pax: map[string]string{paxXattr + "trusted.overlay.opaque": "y", paxXattr + "com.apple.x": "1"}},
		),
		tarOf(t, ent{name: "d/", pax: map[string]string{paxXattr + "user.high": "2"}}),
	), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(treeOf(t, filepath.Join(bundle, rootfsName)), "\n")
	for _, want := range []string{`user.a="1\x002"`, "security.capability=", `d d 0755 0:0 user.high="2"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "overlay") || strings.Contains(got, "user.low") {
		t.Errorf("an attribute too many in\n%s", got)
	}
	reasons := ""
	for _, n := range res.Notes {
		reasons += n.String() + "\n"
	}
	if !strings.Contains(reasons, "overlay file system") || !strings.Contains(reasons, "unknown kind") {
		t.Errorf("notes are %q; want the attributes that were left out", reasons)
	}
}

// GNU tar writes what we can't: both kinds of sparse files. The holes stay.
func TestSparse(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 16 << 20
	for _, at := range []int64{1 << 20, 10<<20 + 5} {
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	want, _ := os.ReadFile(f.Name())
	for _, format := range [][]string{{"--format=gnu"}, {"--format=pax", "--sparse-version=0.0"}, {"--format=pax", "--sparse-version=0.1"}, {"--format=pax", "--sparse-version=1.0"}} {
		out, err := exec.Command("tar", append(append([]string{"-C", dir, "-cS"}, format...), "sparse")...).Output()
		if err != nil {
			t.Fatalf("tar %v: %v", format, err)
		}
		if len(out) > 1<<20 {
			t.Fatalf("tar %v: the archive is not sparse: %d bytes", format, len(out))
		}
		rootfs := unpackLayers(t, out)
		got, err := os.ReadFile(filepath.Join(rootfs, "sparse"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("tar %v: content differs", format)
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(rootfs, "sparse"), &st); err != nil {
			t.Fatal(err)
		}
		if st.Blocks*512 > 1<<20 {
			t.Errorf("tar %v: %d bytes on disk; want holes", format, st.Blocks*512)
		}
	}
}

// An image of another system has other device numbers.
func TestForeignDevices(t *testing.T) {
	l := newLayout(t)
	p := v1.Platform{OS: "plan9", Architecture: "amd64"}
	l.index(l.image(v1.Image{Platform: p}, tarOf(t, ent{name: "dev/null", typ: tar.TypeChar, mode: 0o666, major: 1, minor: 3})))
	bundle, res, err := unpackIn(t, l.dir, UnpackOptions{Platform: p})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, filepath.Join(bundle, rootfsName), "dev d 0755", "dev/null f 0666 0")
	if len(res.Notes) == 0 || !strings.Contains(res.Notes[0].Reason, "another system") {
		t.Errorf("notes are %v; want one about the device", res.Notes)
	}
	if _, _, err := unpackIn(t, l.dir, UnpackOptions{Platform: p, Strict: true}); err == nil || !strings.Contains(err.Error(), "--strict") {
		t.Errorf("strict: error is %v; want the note as an error", err)
	}
}

// Without root everything unpacks but owners and devices, also below
// directories whose mode forbids it, and a failure is cleaned up there too.
func TestRootless(t *testing.T) {
	if os.Getenv(childVar) != "" {
		rootlessChild(t)
		return
	}
	dir, err := os.MkdirTemp("/tmp", "rootless-") // a TempDir is not open to nobody
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	good := layoutOf(t,
		tarOf(t,
			ent{name: ".", mode: 0o555},
			ent{name: "closed/", mode: 0o10000, mtime: someTime},
			ent{name: "ro/", mode: 0o555}, ent{name: "ro/f", uid: 5}, ent{name: "ro/sub/", mode: 0o500}, ent{name: "ro/sub/g"},
			ent{name: "dev/null", typ: tar.TypeChar, major: 1, minor: 3},
			ent{name: "link", typ: tar.TypeSymlink, link: "x", uid: 5},
			ent{name: "lie", pax: map[string]string{paxXattr + rootlessOwner: string(encodeOwner(7, 7))}},
			ent{name: "own/", uid: 1000, gid: 100}, ent{name: "own/f", uid: 70_000, gid: 5, mode: 0o444},
		),
		tarOf(t, ent{name: "own/", uid: 6, gid: 300}, ent{name: "ro/", mode: 0o555, uid: 9}, ent{name: "closed/f", mode: 0o4755}, ent{name: "ro/.wh.f"}, ent{name: "ro/sub/h"}))
	bad := layoutOf(t, tarOf(t, ent{name: "closed/", mode: 0o10000}, ent{name: "closed/f"}, ent{name: "../x"}))
	for name, layout := range map[string]string{"good": good, "bad": bad} {
		if out, err := exec.Command("cp", "-r", layout, filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v: %s", err, out)
		}
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "test"), exe, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "test"), "-test.run=^TestRootless$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{childVar + "=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
	wantModes := map[string]uint32{".": 0o555, "closed": 0, "closed/f": 0o4755, "ro": 0o555, "ro/sub": 0o500, "ro/sub/h": 0o644, "dev/null": 0o644}
	for name, want := range wantModes {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, "bundle/rootfs", name), &st); err != nil {
			t.Error(err)
			continue
		}
		if got := uint32(st.Mode) & 0o7777; got != want || st.Uid != 65534 {
			t.Errorf("%s has mode %04o, owner %d; want %04o, 65534", name, got, st.Uid, want)
		}
	}
	// As root again: the owners are those of the image, but of links.
	again, _, err := unpackIn(t, filepath.Join(dir, "again"), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := strings.Join(treeOf(t, filepath.Join(again, rootfsName)), "\n") + "\n"
	for _, want := range []string{"own d 0755 6:300\n", "own/f f 0444 70000:5 0", "lie f 0644 0:0 0", "ro/sub d 0500 0:0\n", "ro d 0555 9:0\n", "link l 0777 65534:65534 -> x\n", "closed/f f 4755 0:0 0", "closed d 0000 0:0\n"} {
		if !strings.Contains(tree, want) {
			t.Errorf("packed again, no line %q in\n%s", want, tree)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "bundle/rootfs/ro/f")); !os.IsNotExist(err) {
		t.Errorf("ro/f is still there: %v", err)
	}
}

func rootlessChild(t *testing.T) {
	dir := os.Getenv(childVar)
	res, err := Unpack(t.Context(), filepath.Join(dir, "good"), filepath.Join(dir, "bundle"), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	notes := ""
	for _, n := range res.Notes {
		notes += n.String() + "\n"
	}
	if !strings.Contains(notes, "only root can make one") || !strings.Contains(notes, "the owner is not kept") {
		t.Errorf("notes are %q; want the device and the owner", notes)
	}
	// What was recorded is packed, and can be read by whom it belongs to.
	if _, err := Pack(t.Context(), filepath.Join(dir, "bundle/rootfs"), "oci:"+filepath.Join(dir, "again"), PackOptions{Compression: None}); err != nil {
		t.Error(err)
	}
	if _, err := Unpack(t.Context(), filepath.Join(dir, "bad"), filepath.Join(dir, "badbundle"), UnpackOptions{}); err == nil {
		t.Error("the bad image unpacked")
	}
	if _, err := os.Lstat(filepath.Join(dir, "badbundle")); !os.IsNotExist(err) {
		t.Errorf("the failed bundle is still there: %v", err)
	}
}
