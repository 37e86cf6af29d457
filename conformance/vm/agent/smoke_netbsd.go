package main

// The smoke test: what the suites take for granted of a kernel, each point a
// few lines. When one of these fails, nothing else needs to be looked at.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// smokeTests are the points, in order.
var smokeTests = []struct {
	name string
	run  func() error
}{
	{"the kernel says what it is", kernelFacts},
	{"devices can be opened and do what they are for", usualDevices},
	{"a program runs, and its exit status arrives", exitStatus},
	{"a signal ends a program, and the status says so", killedStatus},
	{"a hundred programs run one after another", manyPrograms},
	{"process 1 collects orphans", orphans},
	{"files on the root can be written, renamed and linked", func() error { return files("/root") }},
	{"files on /tmp can be written, renamed and linked", func() error { return files("/tmp") }},
	{"tmpfs can be mounted; nodev denies its devices", tmpfsMount},
	{"a null mount that is read-only stays so", nullMount},
	{"a device copied by its number opens inside a chroot", chrootDevice},
	{"a pty passes bytes both ways", pty},
	{"kqueue tells the exit status of a process", kqueueExit},
	{"procfs shows this process", procfs},
	{"TCP over 127.0.0.1", func() error { return network("tcp", "127.0.0.1:0") }},
	{"TCP over ::1", func() error { return network("tcp", "[::1]:0") }},
	{"a local socket passes bytes", func() error { return network("unix", "/tmp/smoke.socket") }},
	{"another user's process cannot be signalled", foreignSignal},
	{"kern.proc2 lists this process and process 1", processList},
	{"vm.uvmexp2 and kern.pool can be read", func() error { _, err := count(); return err }},
}

// smoke prints TAP. It must have been called by its full path.
func smoke() error {
	fmt.Printf("TAP version 14\n1..%d\n", len(smokeTests))
	failed := 0
	for i, test := range smokeTests {
		err := test.run()
		if err == nil {
			fmt.Printf("ok %d - %s\n", i+1, test.name)
			continue
		}
		failed++
		fmt.Printf("not ok %d - %s\n  ---\n  message: %q\n  ...\n", i+1, test.name, err)
	}
	fmt.Printf("# %d passed, %d failed, 0 skipped\n", len(smokeTests)-failed, failed)
	if failed > 0 {
		return fmt.Errorf("%d smoke tests failed", failed)
	}
	return nil
}

func kernelFacts() error {
	m, err := machine()
	if err == nil && (m.System != "NetBSD" || m.Release == "" || m.CPUs < 1) {
		err = fmt.Errorf("unexpected: %+v", m)
	}
	return err
}

func usualDevices() error {
	if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
		return err
	}
	for _, d := range []struct {
		path  string
		zeros bool
	}{{"/dev/zero", true}, {"/dev/urandom", false}} {
		b, err := readSome(d.path)
		if err != nil {
			return err
		}
		if zeros := strings.Trim(string(b), "\x00") == ""; zeros != d.zeros {
			return fmt.Errorf("%s gives % x", d.path, b)
		}
	}
	return nil
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64)
	_, err = f.Read(b)
	return b, err
}

func files(dir string) error {
	work, err := os.MkdirTemp(dir, "smoke-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	a, b, c := work+"/a", work+"/b", work+"/c"
	f, err := os.Create(a)
	if err != nil {
		return err
	}
	if _, err = f.WriteString("content"); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close(), os.Rename(a, b), os.Link(b, c), os.Symlink("c", a)); err != nil {
		return err
	}
	if got, err := os.ReadFile(a); err != nil || string(got) != "content" {
		return errors.Join(fmt.Errorf("read back %q", got), err)
	}
	return nil
}

// mounted mounts fs on a new directory for the time of a function.
func mounted(fs fileSystem, do func(dir string) error) (err error) {
	if fs.on, err = os.MkdirTemp("/tmp", "smoke-"); err != nil {
		return err
	}
	if err := fs.mount(); err != nil {
		return errors.Join(err, os.Remove(fs.on))
	}
	return errors.Join(do(fs.on), unix.Unmount(fs.on, 0), os.Remove(fs.on))
}

func tmpfsMount() error {
	const nodev = 0x10
	fs := tmpfs("", 0o755)
	fs.flags = nodev
	return mounted(fs, func(dir string) error {
		if err := copyDevice("/dev/null", dir+"/null"); err != nil {
			return err
		}
		if _, err := os.Open(dir + "/null"); !errors.Is(err, unix.ENXIO) {
			return fmt.Errorf("open a device on a nodev mount: %w; want ENXIO", err)
		}
		return os.WriteFile(dir+"/file", []byte("x"), 0o600)
	})
}

func nullMount() error {
	return mounted(nullfs(filepath.Dir(os.Args[0]), "", mntReadOnly), func(dir string) error {
		if err := os.WriteFile(dir+"/x", nil, 0o600); !errors.Is(err, unix.EROFS) {
			return fmt.Errorf("write to a read-only mount: %w; want EROFS", err)
		}
		_, err := child(dir+"/"+filepath.Base(os.Args[0]), "exit", "0")
		return err
	})
}

// copyDevice makes a node with the number that another has.
func copyDevice(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return fmt.Errorf("stat %s: %w", from, err)
	}
	if err := unix.Mknod(to, uint32(st.Mode), int(st.Rdev)); err != nil {
		return fmt.Errorf("mknod %s: %w", to, err)
	}
	return nil
}

func chrootDevice() error {
	return mounted(tmpfs("", 0o755), func(dir string) error {
		binary, err := os.ReadFile(os.Args[0])
		if err != nil {
			return err
		}
		if err := errors.Join(copyDevice("/dev/null", dir+"/null"), os.WriteFile(dir+"/program", binary, 0o755)); err != nil {
			return err
		}
		cmd := program("/program", "open", "/null")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("open /null inside: %w: %s", err, out)
		}
		return nil
	})
}

func procfs() error {
	b, err := os.ReadFile("/proc/curproc/status")
	if err == nil && !strings.HasPrefix(string(b), "init ") {
		err = fmt.Errorf("/proc/curproc/status is %q", b)
	}
	return err
}
