package inroot

// Somebody without any rights swaps names while metadata is set.

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// swaps is how often the names are exchanged, over all calls.
const swaps = 10_000

const nobody = 65534

// swapper exchanges two names of dir as nobody until more says no. It
// takes the thread with it.
func swapper(dir, one, two string, more func() bool) error {
	runtime.LockOSThread() // and never unlocked: the thread ends with its user
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
		return errno
	}
	for more() {
		if err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, one), unix.AT_FDCWD, filepath.Join(dir, two), unix.RENAME_EXCHANGE); err != nil {
			return err
		}
	}
	return nil
}

// No call on metadata changes what a link points to, whenever the name becomes
// one; the fallback for kernels without fchmodat2 included.
func TestMetadataRace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("the test must be root, so that following a link would work")
	}
	top, err := os.MkdirTemp("/tmp", "race-") // nobody must get there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	for _, set := range []error{os.Chmod(top, 0o755), os.Mkdir(top+"/d", 0), os.Chmod(top+"/d", 0o777), os.WriteFile(top+"/victim", []byte("x"), 0o600), os.Symlink("../victim", top+"/d/link"), os.WriteFile(top+"/d/f", nil, 0o644), os.Chown(top+"/d/f", nobody, nobody)} {
		if set != nil {
			t.Fatal(set)
		}
	}
	victim := func() string {
		var st unix.Stat_t
		if err := unix.Stat(top+"/victim", &st); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1000)
		n, _ := unix.Listxattr(top+"/victim", buf)
		return fmt.Sprintf("%o %d:%d %v %q", st.Mode, st.Uid, st.Gid, st.Mtim, buf[:max(n, 0)])
	}
	before := victim()
	tree := openTree(t, top+"/d")
	calls := []struct {
		name string
		call func() error
	}{
		{"Chmod", func() error { return tree.Chmod("f", 0o4777) }},
		{"chmod without fchmodat2", func() error { return tree.here().chmodOpened("f", 0o4777) }},
		{"Chown", func() error { return tree.Chown("f", nobody, nobody) }},
		{"SetTimes", func() error { return tree.SetTimes("f", unix.Timespec{Sec: 1}) }},
		{"SetXattr", func() error { return tree.SetXattr("f", "user.evil", []byte("x")) }},
		{"RemoveXattr", func() error { return tree.RemoveXattr("f", "user.evil") }},
		{"Push", func() error {
			if err := tree.Push("f"); err == nil {
				return fmt.Errorf("a file was entered")
			}
			return nil
		}},
	}
	for _, c := range calls {
		var n atomic.Int64
		done := make(chan error, 1)
		most := int64(swaps / len(calls))
		go func() {
			done <- swapper(top+"/d", "f", "link", func() bool { return n.Add(1) <= most })
		}()
		var kinds []string
		for end := time.Now().Add(time.Minute); n.Load() < most && time.Now().Before(end); {
			if k := fmt.Sprint(c.call()); !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		if err := <-done; err != nil {
			t.Fatalf("%s: swap: %v", c.name, err)
		}
		if now := victim(); now != before {
			t.Errorf("%s changed the link's target: %s; was %s (answers: %q)", c.name, now, before, kinds)
			before = now
		}
	}
}
