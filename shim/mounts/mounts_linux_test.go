package mounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/containerd/api/types"
	"golang.org/x/sys/unix"
)

func TestDirectories(t *testing.T) {
	mount := func(kind string, options ...string) *types.Mount {
		return &types.Mount{Type: kind, Source: "/s", Options: options}
	}
	at := func(target string) *types.Mount {
		return &types.Mount{Type: "null", Source: "/s", Target: target, Options: []string{"ro"}}
	}
	for _, c := range []struct {
		list         []*types.Mount
		readonly, ok bool
		fault        string
	}{
		{[]*types.Mount{mount("bind", "rbind", "rw")}, false, true, ""},
		{[]*types.Mount{mount("bind", "rbind", "ro")}, true, true, ""},
		{[]*types.Mount{mount("null")}, false, true, ""},
		{[]*types.Mount{mount("null", "")}, false, true, ""},
		{[]*types.Mount{mount("bind", "nosuid")}, false, false, ""},
		{[]*types.Mount{mount("tmpfs")}, false, false, ""},
		{[]*types.Mount{mount("bind"), {Type: "tmpfs", Target: "tmp"}}, false, false, ""},
		{[]*types.Mount{mount("overlay", "lowerdir=/a")}, false, false, ""},
		{[]*types.Mount{mount("overlay", "lowerdir=/a"), at("usr")}, false, false, ""},
		{[]*types.Mount{mount("null"), at("usr"), at("opt/a")}, false, true, ""},
		{[]*types.Mount{mount("bind"), mount("bind")}, false, true, "rootfs[1].target: missing"},
		{[]*types.Mount{at("usr")}, true, true, "rootfs[0].target"},
		{[]*types.Mount{mount("bind"), at("../etc")}, false, true, "without dots"},
		{[]*types.Mount{mount("bind"), at("/etc")}, false, true, "without a leading slash"},
		{nil, false, false, ""},
	} {
		dirs, ok := directories(c.list)
		if ok != c.ok || ok && (len(dirs) != len(c.list) || dirs[0].readonly != c.readonly || dirs[0].source != "/s") {
			t.Errorf("directories(%v) = %v, %v; want %v, %v", c.list, dirs, ok, c.readonly, c.ok)
		}
		if err := checkTargets(dirs); (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("checkTargets(%v) = %v; want %q", c.list, err, c.fault)
		}
	}
}

// Directories of a root come before the mounts that are there, which may be in
// them.
func TestMountsInRoot(t *testing.T) {
	got, err := withRoot([]byte(`{"mounts":[{"destination":"/usr/x","odd":1}]}`),
		[]directory{{source: "/r", readonly: true}, {source: "/i/usr", target: "usr", readonly: true}, {source: "/i/o", target: "o"}})
	want := `{"mounts":[{"destination":"/usr","options":["bind","ro"],"source":"/i/usr","type":"bind"},` +
		`{"destination":"/o","options":["bind"],"source":"/i/o","type":"bind"},{"destination":"/usr/x","odd":1}],"root":{"path":"/r","readonly":true}}`
	if err != nil || string(got) != want {
		t.Errorf("withRoot = %s, %v; want %s", got, err, want)
	}
	if _, err := withRoot([]byte(`{"mounts":{}}`), []directory{{source: "/r"}, {source: "/i", target: "i"}}); err == nil {
		t.Error("mounts that are no list are taken")
	}
}

// What is not the root's path stays in the configuration, known or not.
func TestSetRoot(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "config.json")
	if err := os.WriteFile(name, []byte(`{"ociVersion":"1.0.2","root":{"path":"rootfs","readonly":true,"odd":[1]},"other":{"a":12345678901234567890}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Make(dir, []*types.Mount{{Type: "bind", Source: "/s"}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	want := `{"ociVersion":"1.0.2","other":{"a":12345678901234567890},"root":{"odd":[1],"path":"/s","readonly":true}}`
	if err != nil || string(got) != want {
		t.Errorf("config.json = %s, %v; want %s", got, err, want)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}

func FuzzWithRoot(f *testing.F) {
	f.Add(`{"root":{"path":"rootfs"},"process":null}`, "/a", true)
	f.Add(`{"root":null,"mounts":[{}]}`, "", false)
	f.Add(`[]`, "/a", false)
	f.Add(`null`, "/a", false)
	f.Fuzz(func(t *testing.T, config, path string, readonly bool) {
		text, err := withRoot([]byte(config), []directory{{source: path, readonly: readonly}, {source: path, target: "usr", readonly: true}})
		if err != nil {
			return
		}
		var got struct {
			Root struct {
				Path     string `json:"path"`
				Readonly bool   `json:"readonly"`
			} `json:"root"`
			Mounts []json.RawMessage `json:"mounts"`
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Skip("what it was before can't be read as a configuration either")
		}
		if readonly && !got.Root.Readonly || len(got.Mounts) == 0 || !strings.Contains(string(got.Mounts[0]), `"/usr"`) {
			t.Errorf("config.json = %s: it is not read-only, or lacks the mount", text)
		}
	})
}

// An image of many layers has options of more than a page.
func TestManyLayers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	mkdir := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const layers = 60
	var lower []string
	for i := range layers {
		path := mkdir(strings.Repeat("long", 15), fmt.Sprint(i), "fs")
		if err := os.WriteFile(filepath.Join(path, fmt.Sprint("file", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		lower = append(lower, path)
	}
	bundle := mkdir("bundle")
	rootfs := func(n int) []*types.Mount {
		return []*types.Mount{{Type: "overlay", Source: "overlay", Options: []string{
			"index=off", "lowerdir=" + strings.Join(lower[:n], ":"), "upperdir=" + mkdir("upper"), "workdir=" + mkdir("work"),
		}}}
	}
	if err := Make(bundle, rootfs(1)); err != nil {
		t.Skipf("overlayfs does not work on this disk: %v", err)
	}
	if err := Remove(bundle); err != nil {
		t.Fatal(err)
	}
	if err := Make(bundle, rootfs(layers)); err != nil {
		t.Fatalf("%d layers: %v", layers, err)
	}
	if entries, err := os.ReadDir(filepath.Join(bundle, "rootfs")); len(entries) != layers {
		t.Errorf("%d entries, %v; want %d", len(entries), err, layers)
	}
	for range 2 { // none is fine
		if err := Remove(bundle); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(bundle, "rootfs")); len(entries) != 0 || err != nil {
		t.Errorf("after Remove: %v, %v", entries, err)
	}
}

// What can't be a root is refused before anything is made or written.
func TestRefusedRoots(t *testing.T) {
	bundle := t.TempDir()
	config := filepath.Join(bundle, "config.json")
	if err := os.WriteFile(config, []byte(`{"root":{"path":"rootfs"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	unchanged := func(what string) {
		t.Helper()
		text, err := os.ReadFile(config)
		if entries, _ := os.ReadDir(bundle); err != nil || string(text) != `{"root":{"path":"rootfs"}}` || len(entries) != 1 {
			t.Errorf("%s: config.json is %s, %v; %v", what, text, err, entries)
		}
	}
	if err := Make(bundle, nil); err != nil {
		t.Error(err)
	}
	unchanged("no mounts")
	for _, target := range []string{"../etc", "/etc", "a/../b", "a//b", "a/", ".", ""} {
		list := []*types.Mount{{Type: "bind", Source: "/s"}, {Type: "bind", Source: "/s", Target: target}}
		if err := Make(bundle, list); err == nil || !strings.Contains(err.Error(), "rootfs[1].target") {
			t.Errorf("target %q: %v; want a refusal", target, err)
		}
		unchanged(target)
	}
	if err := Make(bundle, []*types.Mount{{Type: "bind", Source: "/s", Target: "etc"}}); err == nil || !strings.Contains(err.Error(), "rootfs[0].target") {
		t.Errorf("a first mount with a target: %v", err)
	}
	unchanged("first")
	if err := Make(filepath.Join(bundle, "missing"), []*types.Mount{{Type: "tmpfs"}}); err == nil || !strings.Contains(err.Error(), "make directory of root") {
		t.Errorf("a bundle that is not there: %v", err)
	}
}

// Each option is a flag, takes one back, or is the file system's to read, and the
// last one of two counts.
func TestOptions(t *testing.T) {
	for text, want := range map[string]struct {
		bits uintptr
		data string
	}{
		"":                               {},
		"defaults":                       {},
		"ro,nosuid,nodev,noexec":         {bits: unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		"ro,rw":                          {},
		"bind":                           {bits: unix.MS_BIND},
		"rw,ro":                          {bits: unix.MS_RDONLY},
		"nosuid,suid,nodev,dev,noexec":   {bits: unix.MS_NOEXEC},
		"noexec,exec,sync,async,noatime": {bits: unix.MS_NOATIME},
		"noatime,atime,nodiratime,diratime,relatime,strictatime": {bits: unix.MS_RELATIME | unix.MS_STRICTATIME},
		"rbind,lowerdir=/a:/b,ro,index=off":                      {bits: unix.MS_BIND | unix.MS_REC | unix.MS_RDONLY, data: "lowerdir=/a:/b,index=off"},
		"sync,nodiratime":                                        {bits: unix.MS_SYNCHRONOUS | unix.MS_NODIRATIME},
	} {
		var list []string
		if text != "" {
			list = strings.Split(text, ",")
		}
		if bits, data := options(list); bits != want.bits || strings.Join(data, ",") != want.data {
			t.Errorf("options(%s) = %#x, %q; want %#x, %q", text, bits, data, want.bits, want.data)
		}
	}
}

// The kernel heeds no flag when it makes a bind mount: each of them is there
// nevertheless, alone as with others, and none that nobody asked for.
func TestFlagsOfBindMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	all := map[string]int64{"ro": unix.ST_RDONLY, "nosuid": unix.ST_NOSUID, "nodev": unix.ST_NODEV, "noexec": unix.ST_NOEXEC}
	flagsOf := func(dir string) int64 {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return int64(st.Flags) & (unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC)
	}
	source := t.TempDir()
	for _, words := range []string{"ro,noatime", "nosuid", "nodev,relatime", "noexec", "rw,nosuid,nodev,noexec", "noatime"} {
		for _, m := range []*types.Mount{{Type: "bind", Source: source}, {Type: "none", Source: source, Options: []string{"rbind"}}} {
			bundle := t.TempDir()
			m.Options = append(m.Options, strings.Split(words, ",")...)
			if m.Type == "bind" { // one alone would be the root as a directory
				m.Options = append(m.Options, "relatime")
			}
			if err := Make(bundle, []*types.Mount{m}); err != nil {
				t.Fatal(err)
			}
			want := flagsOf(source)
			for word, flag := range all {
				if strings.Contains(","+words+",", ","+word+",") {
					want |= flag
				}
			}
			if got := flagsOf(filepath.Join(bundle, "rootfs")); got != want {
				t.Errorf("%s %v: the root has the flags %#x; want %#x", m.Type, m.Options, got, want)
			}
			if err := Remove(bundle); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A bind mount without such flags keeps those of its source, which a second call
// would take away.
func TestFlagsOfTheSource(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	source, bundle := t.TempDir(), t.TempDir()
	if err := unix.Mount("tmpfs", source, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(source, unix.MNT_DETACH) })
	if err := Make(bundle, []*types.Mount{{Type: "bind", Source: source, Options: []string{"relatime"}}}); err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Join(bundle, "rootfs"), &st); err != nil || st.Flags&unix.ST_NOSUID == 0 || st.Flags&unix.ST_NODEV == 0 {
		t.Errorf("flags %#x, %v; want nosuid and nodev, as the source has them", st.Flags, err)
	}
	if err := Remove(bundle); err != nil {
		t.Error(err)
	}
}

// What is not there is taken away already; what can't be is told at once; and one
// that is about to let go is waited for.
func TestRemoveWaits(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	bundle := t.TempDir()
	if err := Remove(bundle); err != nil {
		t.Errorf("a bundle without a root: %v", err)
	}
	file := filepath.Join(bundle, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := Remove(file); err == nil || time.Since(began) > busyLimit {
		t.Errorf("a bundle that is a file: %v after %v", err, time.Since(began))
	}
	if err := Make(bundle, []*types.Mount{{Type: "tmpfs", Source: "tmpfs"}}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(bundle, "rootfs", "f"))
	if err != nil {
		t.Fatal(err)
	}
	var free atomic.Bool
	time.AfterFunc(busyLimit/10, func() {
		free.Store(true)
		f.Close()
	})
	if err := Remove(bundle); err != nil || !free.Load() {
		t.Errorf("Remove = %v while the root is in use: %v", err, !free.Load())
	}
}

// A root goes with its container's end, unless a hook is to find it or somebody uses it.
func TestEnded(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for name, c := range map[string]struct {
		config     string
		used, goes bool
	}{
		"nobody":     {`{"hooks":{"poststart":[{"path":"/x"}],"poststop":[]}}`, false, true},
		"a hook":     {`{"hooks":{"poststop":[{"path":"/x"}]}}`, false, false},
		"a user":     {`{}`, true, false},
		"no config":  {"", false, false},
		"bad config": {"{", false, false},
	} {
		bundle := t.TempDir()
		root := filepath.Join(bundle, "rootfs")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		if c.config != "" {
			if err := os.WriteFile(filepath.Join(bundle, "config.json"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Mount("tmpfs", root, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
		var user *os.File
		if c.used {
			var err error
			if user, err = os.Create(filepath.Join(root, "used")); err != nil {
				t.Fatal(err)
			}
		}
		err := Ended(bundle)
		table, _ := os.ReadFile("/proc/self/mounts")
		if gone := !strings.Contains(string(table), root+" "); gone != c.goes || err != nil {
			t.Errorf("%s: Ended = %v, and it is gone: %v; want %v", name, err, gone, c.goes)
		}
		_ = user.Close() // nil is fine
		if err := errors.Join(Ended(bundle), Remove(bundle)); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
		if err := errors.Join(os.RemoveAll(root), Ended(bundle)); err != nil {
			t.Errorf("%s: without a root: %v", name, err)
		}
	}
}

func TestRelative(t *testing.T) {
	for list, want := range map[string]string{
		"lowerdir=/a/b/c:/a/b/d,x": "/a/b lowerdir=c:d,x", "lowerdir=/a/b:/a/bc": "/a lowerdir=b:bc", "lowerdir=/a:/b": "/ lowerdir=a:b",
		"lowerdir=/a/b/c": "/a/b lowerdir=c", "x,upperdir=/a/b": " x,upperdir=/a/b",
	} {
		if dir, short := relative(strings.Split(list, ",")); dir+" "+strings.Join(short, ",") != want {
			t.Errorf("relative(%s) = %s %q; want %s", list, dir, short, want)
		}
	}
}

// The working directory of a mount is no other thread's, and of none that comes
// later: whatever this program opens by a relative name would be elsewhere.
func TestDirectoryOfAMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	for range 20 {
		if err := mountFrom(dir, "x", "y", "nosuchfs", 0, ""); err == nil {
			t.Fatal("a mount of nothing succeeded")
		}
	}
	const many = 50
	cwds := make(chan string)
	stay := make(chan struct{})
	for range many {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			to, err := os.Readlink("/proc/thread-self/cwd")
			if err != nil {
				to = err.Error()
			}
			cwds <- to
			<-stay // each on a thread of its own
		}()
	}
	want, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for range many {
		if got := <-cwds; got != want {
			t.Errorf("a thread is in %s; want %s", got, want)
		}
	}
	close(stay)
}

// A root that somebody still has open is taken away from all others.
func TestBusyRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	bundle := t.TempDir()
	if err := Make(bundle, []*types.Mount{{Type: "tmpfs", Source: "tmpfs"}}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(bundle, "rootfs", "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Remove(bundle); err != nil {
		t.Error(err)
	}
	if table, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(table), bundle) {
		t.Errorf("the mount is left, %v", err)
	}
}

// Options that can't be made short enough are refused before the kernel cuts them off.
func TestTooManyOptions(t *testing.T) {
	long := "x=" + strings.Repeat("y", os.Getpagesize()-3) // and a NUL
	dir := t.TempDir()
	lower := "lowerdir=" + dir + "/a:" + dir + "/b,x="
	for text, want := range map[string]string{
		long + "y": "the kernel reads fewer than", long: "no such device",
		lower + strings.Repeat("y", os.Getpagesize()-len(lower)): "no such device", // which can be made shorter
	} {
		if err := mount(&types.Mount{Type: "nosuchfs", Source: "x", Options: strings.Split(text, ",")}, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v; want %q", len(text), err, want)
		}
	}
}

// A mount that fails takes those before it back, and none is made below a root.
func TestRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	bundle, source := t.TempDir(), t.TempDir()
	for _, second := range []*types.Mount{{Type: "bind", Source: source, Target: "etc"}, {Type: "nosuchfs", Source: "x"}} {
		if err := Make(bundle, []*types.Mount{{Type: "bind", Source: source, Options: []string{"rbind", "nosuid"}}, second}); err == nil {
			t.Errorf("Make with %v = nil; want an error", second)
		}
		table, _ := os.ReadFile("/proc/self/mounts")
		if strings.Contains(string(table), bundle) {
			t.Errorf("a mount is left after %v", second)
		}
	}
}
