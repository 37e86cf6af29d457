package layer_test

// What a layer does to a tree: whiteouts, replacements, links, metadata.

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

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/pack"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

func TestChanges(t *testing.T) {
	for _, c := range imagetest.Changes {
		t.Run(c.Name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range c.Layers {
				layers = append(layers, imagetest.Tar(t, l...))
			}
			imagetest.WantTree(t, story.UnpackLayers(t, layers...), c.Tree...)
		})
	}
}

func TestOwnersAndTimes(t *testing.T) {
	old, older := imagetest.Time, imagetest.Time.Add(-time.Hour+123*time.Nanosecond)
	rootfs := story.UnpackLayers(
		t,
		imagetest.Tar(t,
			imagetest.Entry{Name: ".", Mode: 0o711, ModTime: older},
			imagetest.Entry{Name: "d/", UID: 10, GID: 20, ModTime: older},
			imagetest.Entry{Name: "d/f", UID: 1000, GID: 100, Mode: 0o4711, ModTime: older, Body: "x"},
			imagetest.Entry{Name: "d/l", Type: tar.TypeSymlink, Link: "f", UID: 7, GID: 8, ModTime: older},
			imagetest.Entry{Name: "d/p", Type: tar.TypeFifo, UID: 7, GID: 8, ModTime: older},
			imagetest.Entry{Name: "big", UID: int64(layer.BigID), GID: int64(layer.BiggestID), ModTime: old},
			imagetest.Entry{Name: "g/", GID: 20, Mode: 0o2755},
			imagetest.Entry{Name: "g/f", Mode: 0o2755},
		),
		// A file more in a directory that this layer does not list, and one
		// less: the directory keeps its time.
		imagetest.Tar(t, imagetest.Entry{Name: "d/g", ModTime: old}, imagetest.Entry{Name: "d/.wh.p"}),
	)
	got := strings.Join(imagetest.Tree(t, rootfs), "\n")
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
	exact := imagetest.RawTar(t, 'x', "PaxHeaders/f", imagetest.PAXRecords("mtime", "1600000000.123456789"))
	rootfs := story.UnpackLayers(t, append(exact, imagetest.Tar(t, imagetest.Entry{Name: "f"})...))
	fi, err := os.Lstat(filepath.Join(rootfs, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.ModTime(); !got.Equal(at) {
		t.Errorf("time is %v; want %v", got, at)
	}
}

func TestOwnerOutOfRange(t *testing.T) {
	_, _, err := story.Unpack(t, imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", UID: int64(layer.NoID)})), bundle.UnpackOptions{})
	if err == nil || !strings.Contains(err.Error(), "owner 4294967295:0 is out of range") {
		t.Errorf("error is %v; want the owner refused", err)
	}
}

func TestXattrs(t *testing.T) {
	if err := unix.Setxattr(t.TempDir(), "user.test", nil, 0); err != nil {
		t.Fatalf("these tests need a file system with attributes below %s: %v", os.TempDir(), err)
	}
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	b, res, err := story.Unpack(t, imagetest.LayoutOf(t,
		imagetest.Tar(t,
			imagetest.Entry{Name: "f", UID: 5, PAX: map[string]string{layer.PaxXattr + "user.a": "1\x002", layer.PaxXattr + "security.capability": capability}},
			imagetest.Entry{Name: "d/", PAX: map[string]string{layer.PaxXattr + "user.low": "1"}},
			imagetest.Entry{Name: "x", PAX: map[string]string{layer.PaxXattr + "trusted.overlay.opaque": "y", layer.PaxXattr + "com.apple.x": "1"}},
		),
		imagetest.Tar(t, imagetest.Entry{Name: "d/", PAX: map[string]string{layer.PaxXattr + "user.high": "2"}}),
	), bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(imagetest.Tree(t, filepath.Join(b, "rootfs")), "\n")
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
		rootfs := story.UnpackLayers(t, out)
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
	l := imagetest.NewLayout(t)
	p := v1.Platform{OS: "plan9", Architecture: "amd64"}
	l.Index(l.Image(v1.Image{Platform: p}, imagetest.Tar(t, imagetest.Entry{Name: "dev/null", Type: tar.TypeChar, Mode: 0o666, Major: 1, Minor: 3})))
	b, res, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{Platform: p})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, filepath.Join(b, "rootfs"), "dev d 0755", "dev/null f 0666 0")
	if len(res.Notes) == 0 || !strings.Contains(res.Notes[0].Reason, "another system") {
		t.Errorf("notes are %v; want one about the device", res.Notes)
	}
	if _, _, err := story.Unpack(t, l.Dir, bundle.UnpackOptions{Platform: p, Strict: true}); err == nil || !strings.Contains(err.Error(), "--strict") {
		t.Errorf("strict: error is %v; want the note as an error", err)
	}
}

// Without root everything unpacks but owners and devices, also below
// directories whose mode forbids it, and a failure is cleaned up there too.
func TestRootless(t *testing.T) {
	if os.Getenv(imagetest.ChildVar) != "" {
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
	good := imagetest.LayoutOf(t,
		imagetest.Tar(t,
			imagetest.Entry{Name: ".", Mode: 0o555},
			imagetest.Entry{Name: "closed/", Mode: 0o10000, ModTime: imagetest.Time},
			imagetest.Entry{Name: "ro/", Mode: 0o555}, imagetest.Entry{Name: "ro/f", UID: 5}, imagetest.Entry{Name: "ro/sub/", Mode: 0o500}, imagetest.Entry{Name: "ro/sub/g"},
			imagetest.Entry{Name: "dev/null", Type: tar.TypeChar, Major: 1, Minor: 3},
			imagetest.Entry{Name: "link", Type: tar.TypeSymlink, Link: "x", UID: 5},
			imagetest.Entry{Name: "lie", PAX: map[string]string{layer.PaxXattr + layer.RootlessOwner: string(layer.EncodeOwner(7, 7))}},
			imagetest.Entry{Name: "own/", UID: 1000, GID: 100}, imagetest.Entry{Name: "own/f", UID: 70_000, GID: 5, Mode: 0o444},
		),
		imagetest.Tar(t, imagetest.Entry{Name: "own/", UID: 6, GID: 300}, imagetest.Entry{Name: "ro/", Mode: 0o555, UID: 9}, imagetest.Entry{Name: "closed/f", Mode: 0o4755}, imagetest.Entry{Name: "ro/.wh.f"}, imagetest.Entry{Name: "ro/sub/h"}))
	bad := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "closed/", Mode: 0o10000}, imagetest.Entry{Name: "closed/f"}, imagetest.Entry{Name: "../x"}))
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
	cmd.Env = []string{imagetest.ChildVar + "=" + dir, "TMPDIR=" + dir}
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
	again, _, err := story.Unpack(t, filepath.Join(dir, "again"), bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := strings.Join(imagetest.Tree(t, filepath.Join(again, "rootfs")), "\n") + "\n"
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
	dir := os.Getenv(imagetest.ChildVar)
	res, err := bundle.Unpack(t.Context(), filepath.Join(dir, "good"), filepath.Join(dir, "bundle"), bundle.UnpackOptions{})
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
	if _, err := pack.Pack(t.Context(), filepath.Join(dir, "bundle/rootfs"), "oci:"+filepath.Join(dir, "again"), pack.Options{Compression: image.None}); err != nil {
		t.Error(err)
	}
	if _, err := bundle.Unpack(t.Context(), filepath.Join(dir, "bad"), filepath.Join(dir, "badbundle"), bundle.UnpackOptions{}); err == nil {
		t.Error("the bad image unpacked")
	}
	if _, err := os.Lstat(filepath.Join(dir, "badbundle")); !os.IsNotExist(err) {
		t.Errorf("the failed bundle is still there: %v", err)
	}
}
