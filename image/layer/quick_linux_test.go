package layer

// What needs attributes, as Linux' file systems have them, or a right that can be
// given up for a while.

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"golang.org/x/sys/unix"
)

// asNobody calls do without a right to other users' files, nor to make devices.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setfsuid(0); err != nil {
			panic(err)
		}
	}()
	do()
}

// What the kernel refuses is left out, stands for something, or is an error.
func TestRefusedByKernel(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, dir, image.DefaultLimits())
	for name, mode := range map[string]os.FileMode{"sticky": os.ModeSticky | 0o777, "other": 0o755} {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(at, 0o755), os.Chmod(at, mode), unix.Setxattr(at, "user.x", []byte("1"), 0), unix.Setxattr(at, "user.overlay.x", []byte("1"), 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		if err := r.clearXattrs("sticky"); err != nil { // EPERM
			t.Errorf("an attribute that is not to be removed: %v", err)
		}
		if err := r.clearXattrs("other"); !errors.Is(err, unix.EACCES) || !strings.HasPrefix(err.Error(), `remove attribute "user.x": `) {
			t.Errorf("an attribute of another's directory: %v", err)
		}
		if err := r.clearXattrs("none"); err != nil {
			t.Errorf("attributes of nothing: %v", err)
		}
		hdr := &tar.Header{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3, Mode: 0o666, ModTime: imagetest.Time}
		if err := r.device(hdr, "dev", unix.S_IFCHR); err != nil || !strings.Contains(r.told(), "an empty file stands for the device node: this system doesn't allow it") {
			t.Errorf("a device: %v, notes are %s", err, r.told())
		}
		if err := r.layer(t, imagetest.Entry{Name: "f", UID: 5}); err == nil || !strings.HasSuffix(err.Error(), "set owner 5:0: operation not permitted") {
			t.Errorf("a file given away: %v", err)
		}
		r.in = &stream.Counter{}
		r.root = false
		if err := r.device(hdr, "dev2", unix.S_IFCHR); err != nil {
			t.Errorf("a device, not as root: %v", err)
		}
	})
	if err := r.clearXattrs("other"); err != nil {
		t.Error(err)
	}
	if attrs, err := r.tree.ListXattrs("other"); err != nil || len(attrs) != 1 || attrs[0] != "user.overlay.x" {
		t.Errorf("attributes are %q, %v; want the one that no layer could set", attrs, err)
	}
}

// Owner, mode, time and attributes are the entry's, whatever the system gives at
// first.
func TestMetadata(t *testing.T) {
	at := imagetest.Time.Add(-time.Hour)
	exact := imagetest.RawTar(t, 'x', "PaxHeaders/e", imagetest.PAXRecords("mtime", "1400000000.123456789"))
	x := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[paxXattr+kv[i]] = kv[i+1]
		}
		return m
	}
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.apply(t, 1, imagetest.Tar(t,
		imagetest.Entry{Name: ".", Mode: 0o711, UID: 3, GID: 4, PAX: x("user.low", "1")},
		imagetest.Entry{Name: "g/", GID: 20, Mode: 0o2755}, imagetest.Entry{Name: "g/f", Mode: 0o2755}, imagetest.Entry{Name: "g/h", GID: 20},
		imagetest.Entry{Name: "d/", GID: 20, PAX: x("user.low", "1", "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
		imagetest.Entry{Name: "d/f", GID: 20}, imagetest.Entry{Name: "z/u", UID: 5}, imagetest.Entry{Name: "u", UID: 5, Mode: 0o4711, PAX: x("user.a", "1\x002")},
		imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "u", UID: 7, GID: 8}, imagetest.Entry{Name: "p", Type: tar.TypeFifo, UID: 7, GID: 8, Mode: 0o600},
		imagetest.Entry{Name: "c", Type: tar.TypeChar, Major: 1, Minor: 3, UID: 9, Mode: 0o666}, imagetest.Entry{Name: "b", Type: tar.TypeBlock, Major: 7, Minor: 300},
		imagetest.Entry{Name: "cont", Type: tar.TypeCont, ModTime: at},
	), imagetest.Tar(t, imagetest.Entry{Name: "d/", PAX: x("user.high", "2")}, imagetest.Entry{Name: "./", Mode: 0o755, ModTime: at}), append(exact, imagetest.Tar(t, imagetest.Entry{Name: "e"})...)); err != nil {
		t.Fatal(err)
	}
	if err := r.tree.Close(); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(imagetest.Tree(t, r.dir), "\n") + "\n"
	for _, want := range []string{
		". d 0755 0:0\n", "g d 2755 0:20\n", "g/f f 2755 0:0 0", "g/h f 0644 0:20 0", "d/f f 0644 0:20 0", "u f 4711 5:0 0", "z/u f 0644 5:0 0", `user.a="1\x002"`,
		"d d 0755 0:0 user.high=\"2\"\n", "l l 0777 7:8 -> u\n", "p p 0600 7:8\n", "c c 0666 9:0 1:3\n", "b b 0644 0:0 7:300\n", "cont f 0644 0:0 0",
		"mtime . 1499996400.000000000\n", "mtime cont 1499996400.000000000\n", "mtime e 1400000000.123456789\n", "mtime l 1500000000.000000000\n", "mtime g 1500000000.000000000\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
	if r.told() != "" {
		t.Errorf("notes are %s", r.told())
	}
	r = newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.symlink(&tar.Header{Name: "l", Linkname: "a\x00b"}, "l"); !tells(err, "a NUL byte in the link's target") {
		t.Errorf("error is %v", err)
	}
	if err := r.layer(t, imagetest.Entry{Name: "f", UID: 1<<32 - 1}); !tells(err, "owner 4294967295:0 is out of range") {
		t.Errorf("error is %v", err)
	}
	for err, want := range map[error]string{unix.EINVAL: "set owner 5:6: this user namespace has no such id", unix.EROFS: "set owner 5:6: read-only file system"} {
		if got := ownerError(5, 6, err); got.Error() != want {
			t.Errorf("%v becomes %v; want %s", err, got, want)
		}
	}
}

// Which attributes are set, and why others are not.
func TestXattrRules(t *testing.T) {
	for attr, want := range map[string]string{
		"trusted.overlay.opaque": "overlay file system", "user.overlay.redirect": "overlay file system", "security.selinux": "labels belong", "security.ima": "integrity signatures",
		"security.evm": "integrity signatures", "user.rootlesscontainers": "records owners", "security.capability": "", "system.posix_acl_access": "", "system.posix_acl_default": "",
		"trusted.x": "", "user.x": "", "com.apple.x": "unknown kind", "security.x": "unknown kind", "system.x": "unknown kind", "": "unknown kind",
	} {
		if got := xattrReason(attr); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: reason %q; want %q", attr, got, want)
		}
	}
	if r := slices.IndexFunc(xattrRules[:], func(r struct{ prefix, reason string }) bool { return r.prefix == "" }); r != len(xattrRules)-1 {
		t.Errorf("rule %d decides all that comes after it", r)
	}
	pax := map[string]string{}
	for c := range 20 {
		pax[paxXattr+"com."+string(rune('a'+c))] = "x"
	}
	pax[paxXattr+"user.x"] = "y"
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	err := r.layer(t, imagetest.Entry{Name: "f", PAX: pax}, imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "f", PAX: map[string]string{paxXattr + "user.x": "y"}}, imagetest.Entry{Name: "g", Body: "x"})
	if want := "\"f\" \"com.a\" and 19 more: an extended attribute was left out: an attribute of an unknown kind\n\"l\" \"user.x\": an extended attribute could not be set: operation not permitted"; err != nil || r.told() != want {
		t.Errorf("%v, notes are %s; want %s", err, r.told(), want)
	}
	if err := r.layer(t, imagetest.Entry{Name: "h", PAX: map[string]string{paxXattr + "user." + strings.Repeat("x", 300): "y"}}); !tells(err, `set attribute "user.xxx`) {
		t.Errorf("an attribute that is none: error is %v", err)
	}
	for _, e := range []unix.Errno{unix.EOPNOTSUPP, unix.EPERM, unix.ENOENT, unix.EIO, unix.EINVAL} {
		if is := isOneOf(fmt.Errorf("x: %w", e), noAttribute[:]); is != (e != unix.EIO && e != unix.EINVAL) {
			t.Errorf("%v is that of a file that can't have it: %v", e, is)
		}
	}
}

// Without root devices are empty files, and owners are recorded.
func TestNotRoot(t *testing.T) {
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	r.root = false
	if err := r.layer(
		t, imagetest.Entry{Name: "dev", Type: tar.TypeChar, Major: 1, Minor: 3, Mode: 0o666, Body: ""}, imagetest.Entry{Name: "f", UID: 7, GID: 300}, imagetest.Entry{Name: "d/"},
		imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "f", UID: 7}, imagetest.Entry{Name: "l0", Type: tar.TypeSymlink, Link: "f"}, imagetest.Entry{Name: "lg", Type: tar.TypeSymlink, Link: "f", GID: 7},
		imagetest.Entry{Name: "s", Mode: 0o4755},
	); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(imagetest.Tree(t, r.dir), "\n") + "\n"
	for _, want := range []string{
		"dev f 0666 0:0 0 ", `f f 0644 0:0 0 sha256:e3b0c44298fc user.rootlesscontainers="\b\a\x10\xac\x02"`, `d d 0755 0:0 user.rootlesscontainers="\b\x00\x10\x00"`, "s f 4755 0:0 0 ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if want := "\"dev\": an empty file stands for the device node: only root can make one\n\"l\" and 1 more: the owner is not kept: only root can give files away, and it can't be recorded here"; r.told() != want {
		t.Errorf("notes are %s; want %s", r.told(), want)
	}
	r = newRig(t, t.TempDir(), image.DefaultLimits())
	r.devices = false
	if err := r.layer(t, imagetest.Entry{Name: "dev", Type: tar.TypeBlock, Major: 1 << 20, Mode: 0o666}); err != nil || !strings.Contains(r.told(), "device numbers of another system mean other devices here") {
		t.Errorf("a foreign device: %v, %s", err, r.told())
	}
	imagetest.WantTree(t, r.dir, "dev f 0666 0")
}

func TestOwnersRecorded(t *testing.T) {
	for _, c := range []struct {
		b        string
		uid, gid uint32
		ok       bool
	}{
		{"", 0, 0, true},
		{"\x08\x07", 7, 0, true},
		{"\x10\x07", 0, 7, true},
		{"\x10\x07\x08\x05\x10\x09", 5, 9, true},
		{"\x08\xfe\xff\xff\xff\x0f", 4294967294, 0, true},
		{"\x08\xff\xff\xff\xff\x0f", 0, 0, false},
		{"\x10\xff\xff\xff\xff\x1f", 0, 0, false},
		{"\x08", 0, 0, false},
		{"\x08\x80", 0, 0, false},
		{"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 0, 0, false},
		{"\x18\x01", 0, 0, false},
	} {
		if uid, gid, ok := decodeOwner([]byte(c.b)); uid != c.uid || gid != c.gid || ok != c.ok {
			t.Errorf("%q is %d:%d, %v; want %d:%d, %v", c.b, uid, gid, ok, c.uid, c.gid, c.ok)
		}
	}
	// A recorded owner counts only for who is not root, and of its own files.
	dir := t.TempDir()
	for name, owner := range map[string]int{"mine": 5, "root": 0, "other": 6} {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(at, nil, 0o644), unix.Setxattr(at, rootlessOwner, encodeOwner(70, 80), 0), os.Chown(at, owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(dir+"/bad", nil, 0o644), unix.Setxattr(dir+"/bad", rootlessOwner, []byte{8}, 0), os.Chown(dir+"/bad", 5, 5), os.WriteFile(dir+"/none", nil, 0o644), os.Chown(dir+"/none", 5, 5)); err != nil {
		t.Fatal(err)
	}
	p := &packer{tree: newRig(t, dir, image.Limits{}).tree}
	for _, c := range []struct {
		name     string
		euid     int
		uid, gid uint32
	}{{"mine", 5, 70, 80}, {"other", 5, 6, 6}, {"root", 5, 0, 0}, {"root", 0, 0, 0}, {"mine", 0, 5, 5}, {"bad", 5, 5, 5}, {"none", 5, 5, 5}} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, c.name), &st); err != nil {
			t.Fatal(err)
		}
		p.euid = c.euid
		if uid, gid := p.owner(c.name, &st); uid != c.uid || gid != c.gid {
			t.Errorf("to %d the owner of %s is %d:%d; want %d:%d", c.euid, c.name, uid, gid, c.uid, c.gid)
		}
	}
}

// bsdtar writes each attribute in two forms.
func TestAttributeInBothForms(t *testing.T) {
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	both := map[string]string{"LIBARCHIVE.xattr.user.a": "eA", paxXattr + "user.a": "x"}
	if err := r.layer(t, imagetest.Entry{Name: "f", PAX: both}); err != nil || r.told() != "" {
		t.Errorf("an attribute in both forms: %v, %s", err, r.told())
	}
}

// An owner is recorded for a directory that its owner may not write, and read of
// one that may not be read; each has its mode again, and what can be read is not
// changed.
func TestRecordedInSpiteOfMode(t *testing.T) {
	const nobody = 65534
	dir := t.TempDir()
	attr := encodeOwner(7, 8)
	for name, mode := range map[string]os.FileMode{"ro": 0o500, "wo": 0o300, "open": 0o755} {
		at := filepath.Join(dir, name)
		err := errors.Join(os.Mkdir(at, 0o755), os.Chown(at, nobody, nobody), os.Chmod(at, mode))
		if name != "ro" {
			err = errors.Join(err, unix.Setxattr(at, rootlessOwner, attr, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, dir, image.DefaultLimits())
	r.root = false
	p := &packer{tree: r.tree}
	var before, wo, after unix.Stat_t
	if err := errors.Join(unix.Lstat(dir+"/wo", &wo), unix.Lstat(dir+"/open", &before)); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		if r.recordOwner(&tar.Header{Name: "ro", Typeflag: tar.TypeDir}, "ro", 7, 8); r.told() != "" {
			t.Errorf("notes are %s", r.told())
		}
		for name, st := range map[string]*unix.Stat_t{"wo": &wo, "open": &before} {
			if got, err := p.recorded(name, st); err != nil || string(got) != string(attr) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	})
	if got, err := r.tree.GetXattr("ro", rootlessOwner); err != nil || string(got) != string(attr) {
		t.Errorf("recorded is %q, %v", got, err)
	}
	if err := unix.Lstat(dir+"/open", &after); err != nil || before.Ctim != after.Ctim {
		t.Errorf("it was changed: %v", err)
	}
	if err := unix.Lstat(dir+"/wo", &after); err != nil || wo.Mode != after.Mode {
		t.Errorf("its mode is %o, %v", after.Mode, err)
	}
}

// What could not be written is an error, and none of the layer's.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount: %v (this test needs root)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := newRig(t, dir, image.DefaultLimits())
	err := r.layer(t, imagetest.Entry{Name: "f", Body: strings.Repeat("x", 1<<20)})
	if e := r.tree.Close(); e != nil {
		t.Error(e)
	}
	var refused *image.EntryError
	if !errors.Is(err, unix.ENOSPC) || errors.As(err, &refused) {
		t.Errorf("error is %v", err)
	}
}

// Blocks that are zero become holes, in what is not stored and in what is.
func TestZerosStayOut(t *testing.T) {
	const block = 4096
	dir := t.TempDir()
	r := newRig(t, dir, image.DefaultLimits())
	zeros, data := strings.Repeat("\x00", 16*block), strings.Repeat("x", block)
	few := func(name, want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(dir, name))
		var st unix.Stat_t
		if err := errors.Join(err, unix.Lstat(filepath.Join(dir, name), &st)); err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s: the content of %d bytes differs from the %d that it should be", name, len(got), len(want))
		}
		if st.Blocks*512 > 4*block {
			t.Errorf("%s takes %d bytes", name, st.Blocks*512)
		}
	}
	f, err := r.tree.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, p := range []string{zeros, zeros + data, data + zeros, zeros} {
		want += p
		if err := writeSparse(f, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(int64(len(want))), f.Close()); err != nil {
		t.Fatal(err)
	}
	few("f", want)
	head := imagetest.RawTar(t, 'x', "PaxHeaders/s", imagetest.PAXRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1048576", "GNU.sparse.name", "s"))
	regions := "1\n0\n69632\n"
	body := regions + strings.Repeat("\x00", 512-len(regions)) + zeros + data
	if err := r.apply(t, 1, append(head, imagetest.Tar(t, imagetest.Entry{Name: "s", Body: body})...)); err != nil {
		t.Fatal(err)
	}
	few("s", zeros+data+strings.Repeat("\x00", 1<<20-17*block))
}
