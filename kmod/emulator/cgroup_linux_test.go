package emulator

// Cgroups as files: directories that look like a hierarchy of either version,
// and the host's own where only the kernel can answer.

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is a directory with files as cgroups have them.
func hierarchy(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// written is what is in a file.
func written(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// nobody is no process's id: it is over what pid_max(5) can be.
const nobody = 1<<22 + 1

// ownSpot is a directory of this test's own in the host's v2 hierarchy.
func ownSpot(t *testing.T) string {
	t.Helper()
	mount := cgroupV2()
	if mount == "" {
		t.Fatal("this machine has no cgroups of version 2")
	}
	dir := filepath.Join(mount, placed(t))
	if err := makeCgroup(mount, dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeCgroup(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestCgroupPlaces(t *testing.T) {
	// Where systemd has them, with v2 alone, and with v1 beside it.
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if !slices.Contains(cgroupV2Mounts[:], dir) {
			t.Errorf("nobody looks at %s", dir)
		}
	}
}

// One path can be two directories, in two mount namespaces or one after the other.
func TestCgroupName(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	names := map[string]bool{cgroupName(root): true} // of none
	for _, old := range []string{"1", "2"} {
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		name := cgroupName(root)
		if again := cgroupName(root); again != name || names[name] {
			t.Errorf("cgroupName = %s, then %s; of others %v", name, again, names)
		}
		names[name] = true
		if err := os.Rename(root, root+old); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMakeCgroup(t *testing.T) {
	mount := hierarchy(t, map[string]string{"file": "", "theirs/x": ""})
	mode := func(name string) os.FileMode {
		st, err := os.Lstat(filepath.Join(mount, name))
		if err != nil {
			t.Error(err)
			return 0
		}
		return st.Mode()
	}
	if err := makeBelow(mount, filepath.Join(mount, "theirs/a/b/c")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"theirs/a", "theirs/a/b", "theirs/a/b/c"} {
		if m := mode(name); m&os.ModeSticky == 0 {
			t.Errorf("%s: %v; want our mark", name, m)
		}
	}
	if m := mode("theirs"); m&os.ModeSticky != 0 {
		t.Errorf("theirs: %v; want no mark", m)
	}
	if err := os.Symlink("theirs", filepath.Join(mount, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"theirs/a/b/c": nil, "theirs": nil, "file": unix.ENOTDIR, "file/x": unix.ENOTDIR, "link": unix.ENOTDIR} {
		if err := makeCgroup(mount, filepath.Join(mount, name)); !errors.Is(err, want) {
			t.Errorf("makeCgroup of %s = %v; want %v", name, err, want)
		}
	}
	if err := directory(filepath.Join(mount, "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("directory of nothing = %v; want ENOENT", err)
	}
	// A hierarchy that is not mounted is not made.
	for _, none := range []string{filepath.Join(mount, "no"), filepath.Join(mount, "no/such")} {
		if err := makeCgroup(none, filepath.Join(none, "a")); !errors.Is(err, unix.ENOENT) {
			t.Errorf("makeCgroup below %s = %v; want ENOENT", none, err)
		}
		if _, err := os.Lstat(filepath.Join(mount, "no")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after makeCgroup below %s: %v; want nothing made", none, err)
		}
	}
}

func TestNoCgroup(t *testing.T) {
	for err, want := range map[error]bool{unix.ENOENT: true, unix.ENODEV: true, unix.ENOTDIR: true, unix.EBUSY: false, nil: false} {
		if got := noCgroup(err); got != want {
			t.Errorf("noCgroup(%v) = %v", err, got)
		}
	}
	for dir, want := range map[string]bool{"/": true, "/nonexistent": false} {
		if got := foreign(dir); got != want {
			t.Errorf("foreign(%s) = %v", dir, got)
		}
	}
}

// The kernel says EBUSY until it has let go of the last process.
func TestRemoveEmptyCgroup(t *testing.T) {
	for _, tt := range []struct {
		says  []error // and then always the last
		want  error
		calls int
	}{
		{[]error{nil}, nil, 1},
		{[]error{unix.ENOENT}, nil, 1},
		{[]error{unix.ENODEV}, nil, 1},
		{[]error{unix.EACCES}, unix.EACCES, 1},
		{append(slices.Repeat([]error{unix.EBUSY}, 10), nil), nil, 11},
		{append(slices.Repeat([]error{unix.EBUSY}, 3), unix.EACCES), unix.EACCES, 4},
		{[]error{unix.EBUSY}, unix.EBUSY, 50},
	} {
		calls := 0
		began := time.Now()
		err := removeEmpty("x", func(string) error {
			if calls++; calls > 60 {
				t.Fatalf("of %v: it asks again and again", tt.says)
			}
			return tt.says[min(calls, len(tt.says))-1]
		})
		if !errors.Is(err, tt.want) || calls != tt.calls {
			t.Errorf("of %v: %v after %d calls; want %v after %d", tt.says, err, calls, tt.want, tt.calls)
		}
		if took := time.Since(began); calls > 10 && took < 20*time.Millisecond {
			t.Errorf("it asked %d times in %v", calls, took)
		}
	}
}

func TestCgroupHandsDown(t *testing.T) {
	const file = "cgroup.subtree_control"
	dir := hierarchy(t, map[string]string{file: "", "a/" + file: "", "a/b/x": "", "c/" + file: ""})
	if err := handDown(dir, filepath.Join(dir, "a/b"), "+pids"); err != nil {
		t.Fatal(err) // also if the last one is to hand something down
	}
	if err := handDown(filepath.Join(dir, "c"), filepath.Join(dir, "c"), "+cpu"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{file: "+pids", "a/" + file: "+pids", "c/" + file: "+cpu"} {
		if got := written(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s = %q; want %q", name, got, want)
		}
	}
}

// Who is in another pid namespace has no id here.
func TestCgroupProcesses(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "0\n": nil, "0\n7\n0\n5\n": {7, 5}} {
		if got, err := cgroupProcesses(hierarchy(t, map[string]string{"cgroup.procs": text})); err != nil || !slices.Equal(got, want) {
			t.Errorf("cgroupProcesses of %q = %v, %v; want %v", text, got, err, want)
		}
	}
}
