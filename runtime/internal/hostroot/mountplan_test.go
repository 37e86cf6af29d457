package hostroot

import (
	"encoding/binary"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
)

// The ports that Go runs on: amd64 and arm64, i386, 32-bit arm.
var (
	lp64 = abi{pointer: 8, align64: 8}
	i386 = abi{pointer: 4, align64: 4}
	arm  = abi{pointer: 4, align64: 8}
)

// Those of NetBSD 10 are what C compilers for the ports make of its headers.
func TestStatvfsLayout(t *testing.T) {
	for _, c := range []struct {
		name     string
		abi      abi
		netbsd10 bool
		want     vfsLayout
	}{
		{"amd64 9", lp64, false, vfsLayout{lp64, 172, 204, 1228, 2256}},
		{"amd64 10", lp64, true, vfsLayout{lp64, 192, 224, 1248, 3296}},
		{"i386 9", i386, false, vfsLayout{i386, 148, 180, 1204, 2228}},
		{"i386 10", i386, true, vfsLayout{i386, 164, 196, 1220, 3268}},
		{"arm 9", arm, false, vfsLayout{arm, 148, 180, 1204, 2232}},
		{"arm 10", arm, true, vfsLayout{arm, 168, 200, 1224, 3272}},
	} {
		if got := newVfsLayout(c.abi, c.netbsd10); got != c.want {
			t.Errorf("%s: layout = %+v; want %+v", c.name, got, c.want)
		}
	}
}

func TestMountTableIsRead(t *testing.T) {
	for _, a := range []abi{lp64, i386, arm} {
		l := newVfsLayout(a, true)
		b := make([]byte, 2*l.size)
		binary.NativeEndian.PutUint32(b, mntReadonly|mntNoDev) // the ports are little-endian
		copy(b[l.kind:], "null")
		copy(b[l.on:], "/state/c/rootfs")
		copy(b[l.from:], "/bundle/rootfs")
		copy(b[l.size+l.kind:], "tmpfs")
		copy(b[l.size+l.on:], strings.Repeat("x", mountNameLen)) // no terminating zero
		got, err := l.parse(b)
		want := []mountEntry{
			{kind: "null", on: "/state/c/rootfs", from: "/bundle/rootfs", flags: mntReadonly | mntNoDev},
			{kind: "tmpfs", on: strings.Repeat("x", mountNameLen)},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parse = %v, %v; want %v", got, err, want)
		}
		if _, err := l.parse(b[1:]); err == nil {
			t.Error("parse of a torn table succeeded")
		}
	}
}

func FuzzMountTable(f *testing.F) {
	l := newVfsLayout(lp64, false)
	f.Add(make([]byte, l.size))
	f.Add(make([]byte, l.size+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := l.parse(b)
		if err == nil && len(table)*l.size != len(b) {
			t.Errorf("parse of %d bytes gave %d entries", len(b), len(table))
		}
	})
}

func TestMountArguments(t *testing.T) {
	tmp := hostMount{kind: fsTmpfs, tmpfs: oci.Tmpfs{Size: new(uint64(1 << 20)), Inodes: new(uint64(99)), UID: 7, GID: 8, Mode: 0o750, HasMode: true}}
	pty := hostMount{kind: fsPty, gid: 4, mode: 0o620}
	for _, c := range []struct {
		name string
		abi  abi
		m    hostMount
		size int
		want string // hex; zeros at the end are left out
	}{
		{"null LP64", lp64, hostMount{kind: fsNull}, 136, "8877665544332211"},
		{"null ILP32", i386, hostMount{kind: fsNull}, 112, "88776655"},
		{"null arm", arm, hostMount{kind: fsNull}, 112, "88776655"},
		{
			"tmpfs LP64", lp64, tmp, 40,
			"01000000" + "00000000" + "6300000000000000" + "0000100000000000" + "07000000" + "08000000" + "e801",
		},
		{"tmpfs i386", i386, tmp, 32, "01000000" + "6300000000000000" + "0000100000000000" + "07000000" + "08000000" + "e801"},
		{
			"tmpfs arm", arm, tmp, 40,
			"01000000" + "00000000" + "6300000000000000" + "0000100000000000" + "07000000" + "08000000" + "e801",
		},
		{"tmpfs default", i386, hostMount{kind: fsTmpfs}, 32, "01000000" + strings.Repeat("00", 24) + "ff03"},
		{"procfs", lp64, hostMount{kind: fsProc}, 8, "0100000001"},
		{"procfs 32", arm, hostMount{kind: fsProc}, 8, "0100000001"},
		{"ptyfs", lp64, pty, 16, "02000000" + "04000000" + "9001"},
		{"ptyfs 32", i386, pty, 16, "02000000" + "04000000" + "9001"},
	} {
		b, err := mountArgs(c.abi, c.m, 0x1122334455667788)
		if err != nil || len(b) != c.size {
			t.Errorf("%s: %d bytes, %v; want %d", c.name, len(b), err, c.size)
			continue
		}
		want := c.want + strings.Repeat("00", c.size-len(c.want)/2)
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("%s = %s; want %s", c.name, got, want)
		}
	}
	if _, err := mountArgs(lp64, hostMount{kind: "ffs"}, 0); err == nil {
		t.Error("arguments for an unknown file system")
	}
}

// A limit below what the kernel takes for one would mean no limit at all.
func TestSmallTmpfsStaysLimited(t *testing.T) {
	b, err := mountArgs(lp64, hostMount{kind: fsTmpfs, tmpfs: oci.Tmpfs{Size: new(uint64(1)), Inodes: new(uint64(1))}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if nodes := binary.NativeEndian.Uint64(b[8:]); nodes != 4 {
		t.Errorf("nr_inodes=1 became %d; want 4", nodes)
	}
	if size := binary.NativeEndian.Uint64(b[16:]); size < 4096 {
		t.Errorf("size=1 became %d; want a page", size)
	}
}

func TestMountsArePlanned(t *testing.T) {
	p := &oci.Plan{Process: &oci.Process{Terminal: true}, Mounts: []oci.Mount{
		{Field: "mounts[0]", Destination: "/dev", Type: oci.MountTmpfs, Flags: oci.MountFlags{NoSuid: true}, Tmpfs: oci.Tmpfs{Size: new(uint64(65536))}},
		{Field: "mounts[1]", Destination: "/dev/pts/", Type: oci.MountDevpts, Flags: oci.MountFlags{NoExec: true}, Devpts: oci.Devpts{GID: 9, HasGID: true}},
		{Field: "mounts[2]", Destination: "/data", Type: oci.MountBind, Source: "vol", Recursive: true, Flags: oci.MountFlags{Readonly: true, NoDev: true}},
		{Field: "mounts[3]", Destination: "/etc/hosts", Type: oci.MountBind, Source: "/run/hosts", Flags: oci.MountFlags{NoAtime: true, RelAtime: true}},
		{Field: "mounts[4]", Destination: "/proc", Type: oci.MountProc},
	}}
	got, err := planMounts(p, "/bundle")
	want := []hostMount{
		{field: "mounts[0]", kind: "tmpfs", dest: "/dev", flags: mntNoSuid, tmpfs: oci.Tmpfs{Size: new(uint64(65536))}},
		{field: "mounts[1]", kind: "ptyfs", dest: "/dev/pts", flags: mntNoExec, gid: 9, mode: 0o620},
		{field: "mounts[2]", kind: "null", dest: "/data", source: "/bundle/vol", recursive: true, flags: mntReadonly | mntNoDev},
		{field: "mounts[3]", kind: "null", dest: "/etc/hosts", source: "/run/hosts", flags: mntNoAtime | mntRelAtime},
		{field: "mounts[4]", kind: "procfs", dest: "/proc"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("planMounts = %+v, %v; want %+v", got, err, want)
	}
	got, err = planMounts(&oci.Plan{Process: &oci.Process{}, Mounts: []oci.Mount{{Destination: "/pts", Type: oci.MountDevpts, Devpts: oci.Devpts{Mode: 0o600}}}}, "/bundle")
	if want := []hostMount{{kind: "ptyfs", dest: "/pts", gid: ttyGroup, mode: 0o600}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("planMounts = %+v, %v; want %+v", got, err, want)
	}
	root := rootMount(oci.Root{Readonly: true, NoSuid: true}, "/r")
	if root.kind != "null" || root.source != "/r" || root.flags != mntReadonly|mntNoSuid {
		t.Errorf("rootMount = %+v", root)
	}
}

func TestImpossibleMountsAreRefused(t *testing.T) {
	pts := func(dest string) oci.Mount {
		return oci.Mount{Field: "mounts[x]", Destination: dest, Type: oci.MountDevpts}
	}
	for _, c := range []struct {
		plan oci.Plan
		want string
	}{
		{oci.Plan{Mounts: []oci.Mount{pts("/dev/pts"), pts("/pts")}}, "remove one of the two"},
		{oci.Plan{Process: &oci.Process{Terminal: true}}, "devpts on /dev/pts"},
		{oci.Plan{Process: &oci.Process{Terminal: true}, Mounts: []oci.Mount{pts("/pts")}}, "devpts on /dev/pts"},
		{oci.Plan{Mounts: []oci.Mount{{Field: "mounts[0]", Type: "sysfs"}}}, "not known"},
	} {
		if _, err := planMounts(&c.plan, "/b"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("planMounts = %v; want an error with %q", err, c.want)
		}
	}
}

// Terminals need NetBSD's /dev/ptm, once there is a file system for them.
func TestNodes(t *testing.T) {
	r := &Root{Plan: &oci.Plan{Devices: []oci.Device{{Path: "/dev/null"}}}}
	if got := r.nodes(); len(got) != 1 {
		t.Errorf("nodes without terminals: %+v", got)
	}
	r.mounts = []hostMount{{kind: fsTmpfs}, {kind: fsPty}}
	if got := r.nodes(); len(got) != 2 || got[1].Path != "/dev/ptm" || !got[1].Default || got[1].Type != "c" || *got[1].Mode != 0o666 {
		t.Errorf("nodes with terminals: %+v", got)
	}
	if len(r.Plan.Devices) != 1 {
		t.Errorf("the plan has %+v now", r.Plan.Devices)
	}
}

func TestCopyMode(t *testing.T) {
	for _, c := range []struct {
		mode  uint32
		flags int
		want  uint32
	}{
		{0o6777, 0, 0o777},
		{0o755, mntReadonly, 0o555},
		{0o755, mntNoExec, 0o644},
		{0o777, mntReadonly | mntNoExec | mntNoSuid, 0o444},
	} {
		if got := copyMode(c.mode, c.flags); got != c.want {
			t.Errorf("copyMode(%#o, %#x) = %#o; want %#o", c.mode, c.flags, got, c.want)
		}
	}
}

func TestCovered(t *testing.T) {
	mounts := []hostMount{{dest: "/dev"}, {dest: "/a/b"}}
	for p, want := range map[string]bool{
		"/dev": true, "/dev/pts": true, "/device": false, "/a": false, "/a/b/": true, "/a/b/c": true, "/a//b": true, "/": false,
	} {
		if got := covered(p, mounts); got != want {
			t.Errorf("covered(%s) = %v; want %v", p, got, want)
		}
	}
}

func TestSubmountsAndOwnMounts(t *testing.T) {
	table := []mountEntry{
		{on: "/"},
		{on: "/usr"},
		{on: "/usr/pkg"},
		{on: "/usr2"},
		{on: "/s/c/rootfs"},
		{on: "/s/c/rootfs/dev"},
		{on: "/s/cc/rootfs"},
		{on: "/s/c/rootfs/dev"},
		{on: "/elsewhere"},
	}
	for _, c := range []struct {
		source string
		want   []string
	}{
		{"/usr", []string{"pkg"}},
		{"/", []string{"usr", "usr/pkg", "usr2", "s/cc/rootfs", "elsewhere"}},
		{"/s", []string{"cc/rootfs"}},
		{"/nothing", nil},
	} {
		if got := submounts(table, c.source, "/s/c"); !reflect.DeepEqual(got, c.want) {
			t.Errorf("submounts(%s) = %q; want %q", c.source, got, c.want)
		}
	}
	got := mountPoints(ownMounts(table, "/s/c/rootfs", []string{"/elsewhere", "/never/mounted"}))
	want := []string{"/elsewhere", "/s/c/rootfs/dev", "/s/c/rootfs/dev", "/s/c/rootfs"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ownMounts = %q; want %q", got, want)
	}
}
