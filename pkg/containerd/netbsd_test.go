package netbsd

import (
	"encoding/hex"
	"io/fs"
	"reflect"
	"strings"
	"testing"
)

// The ports that Go runs on: amd64 and arm64, i386, 32-bit arm.
var (
	lp64 = abi{pointer: 8, align64: 8}
	i386 = abi{pointer: 4, align64: 4}
	arm  = abi{pointer: 4, align64: 8}
)

func TestArguments(t *testing.T) {
	const tmp = "6300000000000000" + "0000100000000000" + "07000000" + "08000000" + "e801"
	for _, c := range []struct {
		name    string
		abi     abi
		kind    string
		options []string
		flags   int
		size    int
		want    string // hex; zeros at the end are left out
	}{
		{"null", lp64, "null", nil, 0, 136, "8877665544332211"},
		{"null i386", i386, "nullfs", []string{""}, 0, 112, "88776655"},
		{"null arm", arm, "bind", []string{"rbind,ro", "nosuid"}, mntReadOnly | mntNoSuid, 112, "88776655"},
		{"tmpfs", lp64, "tmpfs", []string{"size=1m,nr_inodes=99", "mode=750", "uid=7", "gid=8", "nodev"}, mntNoDev, 40, "0100000000000000" + tmp},
		{"tmpfs i386", i386, "tmpfs", []string{"size=1024K", "nr_inodes=99", "mode=0750", "uid=7", "gid=8"}, 0, 32, "01000000" + tmp},
		{"tmpfs arm", arm, "tmpfs", []string{"size=1048576", "nr_inodes=99", "mode=750", "uid=7", "gid=8"}, 0, 40, "0100000000000000" + tmp},
		{"tmpfs default", i386, "tmpfs", []string{"strictatime"}, 0, 32, "01000000" + strings.Repeat("00", 24) + "ff03"},
		{"tmpfs small", lp64, "tmpfs", []string{"size=1", "nr_inodes=1"}, 0, 40, "0100000000000000" + "0400000000000000" + "0020000000000000" + "0000000000000000" + "ff03"},
		{"procfs", lp64, "procfs", []string{"linux"}, 0, 8, "0100000001"},
		{"procfs arm", arm, "proc", []string{"noexec"}, mntNoExec, 8, "0100000001"},
		{"ptyfs", lp64, "ptyfs", nil, 0, 16, "02000000" + "04000000" + "9001"},
		{"ptyfs i386", i386, "devpts", []string{"gid=5", "mode=600"}, 0, 16, "02000000" + "05000000" + "8001"},
	} {
		fs, r, err := parse(c.kind, c.options)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		s := &cStruct{abi: c.abi}
		fs.args(s, r, 0x1122334455667788)
		b := s.bytes()
		if want := c.want + strings.Repeat("00", c.size-len(c.want)/2); len(b) != c.size || hex.EncodeToString(b) != want || r.flags != c.flags {
			t.Errorf("%s = %d bytes %x, flags %#x; want %s, %#x", c.name, len(b), b, r.flags, want, c.flags)
		}
	}
}

// What a file system does not have is refused by its name, and not forgotten.
func TestWrongOptions(t *testing.T) {
	for _, c := range []struct{ kind, option, says string }{
		{"ffs", "ro", `type "ffs"`},
		{"", "", `type ""`},
		{"null", "size=1", `"size=1"`},
		{"null", "ro=1", `"ro=1"`},
		{"null", "rprivate", `"rprivate"`},
		{"tmpfs", "size", `"size"`},
		{"tmpfs", "size=", `"size="`},
		{"tmpfs", "size=1t", `"size=1t"`},
		{"tmpfs", "size=50%", `"size=50%"`},
		{"tmpfs", "size=17179869184g", `"size=17179869184g"`},
		{"tmpfs", "mode=9", `"mode=9"`},
		{"tmpfs", "uid=-1", `"uid=-1"`},
		{"ptyfs", "newinstance", `"newinstance"`},
		{"procfs", "gid=1", `"gid=1"`},
	} {
		if _, _, err := parse(c.kind, []string{"nosuid", c.option}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("parse(%s, %s) = %v; want an error that names %s", c.kind, c.option, err, c.says)
		}
	}
}

func FuzzOptions(f *testing.F) {
	f.Add("tmpfs", "size=1g,mode=755,ro")
	f.Add("null", ",,")
	f.Fuzz(func(t *testing.T, kind, options string) {
		fs, r, err := parse(kind, []string{options})
		if err != nil {
			return
		}
		s := &cStruct{abi: i386}
		if fs.args(s, r, 1); len(s.bytes()) < 8 {
			t.Errorf("parse(%q, %q) gives %d bytes", kind, options, len(s.bytes()))
		}
	})
}

// Those of NetBSD 10 are what C compilers for the ports make of its headers.
func TestStatvfs(t *testing.T) {
	for _, c := range []struct {
		name string
		abi  abi
		ten  bool
		want statvfsLayout
	}{
		{"amd64 9", lp64, false, statvfsLayout{172, 204, 1228, 2256}},
		{"amd64 10", lp64, true, statvfsLayout{192, 224, 1248, 3296}},
		{"i386 9", i386, false, statvfsLayout{148, 180, 1204, 2228}},
		{"i386 10", i386, true, statvfsLayout{164, 196, 1220, 3268}},
		{"arm 9", arm, false, statvfsLayout{148, 180, 1204, 2232}},
		{"arm 10", arm, true, statvfsLayout{168, 200, 1224, 3272}},
	} {
		if got := statvfs(c.abi, c.ten); got != c.want {
			t.Errorf("%s: layout = %+v; want %+v", c.name, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	l := statvfs(lp64, true)
	b := make([]byte, 2*l.size+7) // and a torn row
	copy(b[l.kind:], "null")
	copy(b[l.on:], "/run/c/rootfs")
	copy(b[l.from:], "/snapshots/1")
	copy(b[l.size+l.on:], strings.Repeat("x", pathLen)) // no zero at the end
	want := []MountPoint{{"null", "/run/c/rootfs", "/snapshots/1"}, {"", strings.Repeat("x", pathLen), ""}}
	if got := l.parse(b); !reflect.DeepEqual(got, want) {
		t.Errorf("parse = %v; want %v", got, want)
	}
}

func FuzzTable(f *testing.F) {
	l := statvfs(arm, false)
	f.Add(make([]byte, l.size+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := l.parse(b); len(got) != len(b)/l.size {
			t.Errorf("parse of %d bytes gave %d rows", len(b), len(got))
		}
	})
}

func TestModeBits(t *testing.T) {
	for mode, want := range map[fs.FileMode]uint32{
		0o644:                                 0o644,
		fs.ModeDir | fs.ModeSticky | 0o777:    0o1777,
		fs.ModeSetuid | 0o755:                 0o4755,
		fs.ModeSetuid | fs.ModeSetgid | 0o750: 0o6750,
	} {
		if got := modeBits(mode); got != want {
			t.Errorf("modeBits(%v) = %#o; want %#o", mode, got, want)
		}
	}
}
