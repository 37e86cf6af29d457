package main

// The suites: what each needs, and how a file of its tests is run.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/netbsd-cells/runcell/conformance/owned"
)

// suite is another runtime's tests.
type suite struct {
	name, title string
	files       string            // of tests, a pattern below the work directory
	without     map[string]string // files that are not run, and why
	limit       time.Duration     // ends a file of tests that would never end
	prepare     func(checkout, work string) error
	command     func(work, file, runtime string) *exec.Cmd
}

var suites = []suite{
	{
		name: "crun", title: "crun's tests in Python", files: "tests/test_*.py", limit: 5 * time.Minute,
		without: map[string]string{
			"test_checkpoint_restore.py": "needs CRIU",
			"test_mounts.py":             "needs python3-libmount; without it, it has no tests",
		},
		prepare: func(checkout, work string) error {
			if err := copyTree(filepath.Join(checkout, "tests"), filepath.Join(work, "tests")); err != nil {
				return err
			}
			// What configure would write; the program needs nothing of it.
			if err := os.WriteFile(filepath.Join(work, "config.h"), []byte("#define _GNU_SOURCE 1\n"), 0o644); err != nil {
				return fmt.Errorf("make config.h: %w", err)
			}
			return do(work, "gcc", "-static", "-I.", "-o", "tests/init", "tests/init.c")
		},
		command: func(work, file, runtime string) *exec.Cmd {
			cmd := exec.Command("python3", file)
			cmd.Env = append(os.Environ(), "OCI_RUNTIME="+runtime, "INIT="+filepath.Join(work, "tests/init"))
			return cmd
		},
	},
	{
		name: "runc", title: "runc's tests in bats", files: "tests/integration/*.bats", limit: 20 * time.Minute,
		without: map[string]string{
			"checkpoint.bats":            "needs CRIU",
			"mounts_sshfs.bats":          "needs sshfs",
			"cgroup_delegation.bats":     "needs systemd",
			"seccomp-notify.bats":        "needs an agent with libseccomp's headers",
			"seccomp-notify-compat.bats": "the same",
		},
		prepare: func(checkout, work string) error {
			if err := copyTree(checkout, work); err != nil {
				return err
			}
			for _, helper := range []string{"recvtty", "sd-helper"} {
				dir := filepath.Join(work, "contrib/cmd", helper)
				if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
					continue // newer ones have them elsewhere
				}
				if err := do(work, "go", "build", "-o", filepath.Join(dir, helper), "./contrib/cmd/"+helper); err != nil {
					return err
				}
			}
			return image(filepath.Join(work, "tests/integration/testdata"))
		},
		command: func(_, file, runtime string) *exec.Cmd {
			cmd := exec.Command("bats", "--tap", file)
			cmd.Env = append(os.Environ(), "RUNC="+runtime, "BATS_TEST_TIMEOUT=120")
			return cmd
		},
	},
}

func names() []string {
	var all []string
	for _, s := range suites {
		all = append(all, s.name)
	}
	return all
}

func find(name string) (*suite, error) {
	for i := range suites {
		if suites[i].name == name {
			return &suites[i], nil
		}
	}
	return nil, fmt.Errorf("find suite %q: there are %s", name, strings.Join(names(), ", "))
}

// play runs every file with a runtime and gives its tests.
func (s *suite) play(work, runtime string, match *regexp.Regexp) ([]result, error) {
	files, err := filepath.Glob(filepath.Join(work, s.files))
	if err != nil {
		return nil, fmt.Errorf("find tests of %s: %w", s.name, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("find tests of %s: no %s in the checkout", s.name, s.files)
	}
	var all []result
	for _, file := range files {
		name := filepath.Base(file)
		if _, left := s.without[name]; left || !match.MatchString(name) {
			continue
		}
		out, late, err := s.output(work, file, runtime)
		if err != nil {
			return nil, err
		}
		results := parseTAP(name, out, late)
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", filepath.Base(runtime), name, count(results))
		all = append(all, results...)
	}
	return all, nil
}

// output runs a file and gives what it printed, and takes away what it left.
func (s *suite) output(work, file, runtime string) (out []byte, late bool, err error) {
	before := owned.Processes()
	defer owned.Kill(before)
	log, err := os.CreateTemp(work, "output") // a file: what is left running may hold it open
	if err != nil {
		return nil, false, fmt.Errorf("make output file: %w", err)
	}
	defer func() { _, _ = log.Close(), os.Remove(log.Name()) }()
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	// Tests open /dev/tty, which a build machine's processes have not.
	master, slave, err := pty.Open()
	if err != nil {
		return nil, false, fmt.Errorf("open terminal: %w", err)
	}
	defer master.Close()
	cmd := s.command(work, file, runtime)
	cmd.Dir, cmd.Stdin, cmd.Stdout = work, slave, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		return nil, false, fmt.Errorf("run %s: %w", file, err)
	}
	go func() { _, _ = io.Copy(io.Discard, master) }() // ends with the terminal
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	_ = cmd.Wait() // its status says no more than the tests
	out, err = os.ReadFile(log.Name())
	return out, ctx.Err() != nil, err
}

// do runs a command that prepares something.
func do(dir string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", name, err, out)
	}
	return nil
}

func copyTree(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return do(from, "cp", "-a", ".", to)
}

// image makes the images that runc's tests would download, of this machine's
// busybox: only the tests know which is which.
func image(dir string) error {
	root := filepath.Join(dir, "root")
	for _, sub := range []string{"bin", "etc", "tmp", "proc", "dev", "sys", "root", "var", "usr/bin", "usr/sbin", "home"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			return fmt.Errorf("make image: %w", err)
		}
	}
	script := `busybox=$(command -v busybox) && cp "$busybox" bin/busybox && bin/busybox --list | while read -r n; do
		[ -e "bin/$n" ] || ln -s busybox "bin/$n"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
	printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
	for n in busybox debian; do tar -cJf ../$n-$(go env GOARCH).tar.xz .; done
	cp ../busybox-*.tar.xz ../busybox.tar.xz; cp ../debian-*.tar.xz ../debian.tar.xz`
	if err := do(root, "sh", "-ec", script); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// version is the first line of what a runtime says of itself.
func version(path string) string {
	out, _ := exec.Command(path, "--version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
