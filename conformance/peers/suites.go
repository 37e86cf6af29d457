package main

// The suites: what each needs, and how a file of its tests is run.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// suite is another runtime's tests.
type suite struct {
	name, title string
	files       []string          // of tests, patterns below the work directory
	without     map[string]string // files that are not run, and why
	limit       time.Duration     // ends a file of tests that would never end
	prepare     func(checkout, work string) error
	command     func(work, file, runtime string) *exec.Cmd
	control     string // what the control is called, if not as the suite
	translate   string // a part of a bash script: gives runcell its own words for the suite's, in args
	note        string // how the two ran, for the page
}

var suites = []suite{
	{
		name: "crun", title: "crun's tests in Python", files: []string{"tests/test_*.py"}, limit: 2 * time.Minute,
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
		translate: `for ((i = 0; i < ${#args[@]}; i++)); do
	if [ "${args[i]} ${args[i+1]}" = "--config config.json" ]; then args=("${args[@]:0:i}" "${args[@]:i+2}"); break; fi
done`,
		note: "runcell has no `--config`, which nearly all of the tests use: it was run without `--config config.json`, which is\nthe default.",
	},
	{
		name: "runc", title: "runc's tests in bats", files: []string{"tests/integration/*.bats"}, limit: 3 * time.Minute,
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
			// A test fills its memory until it is stopped: 4 GiB of it are enough.
			cmd := exec.Command("sh", "-c", `ulimit -v 4194304 && exec bats --tap "$0"`, file)
			cmd.Env = append(os.Environ(), "RUNC="+runtime) // no BATS_TEST_TIMEOUT: its countdown is a child, for which some tests wait
			return cmd
		},
		translate: `if [ "${BATS_TEST_FILENAME##*/}" != spec.bats ]; then
	for arg in "${args[@]}"; do [ "$arg" != spec ] || exec "$control" "${args[@]}"; done
fi`,
		note: "The tests change the configuration that `runc spec` writes. For runcell it was runc's too, beside in spec.bats: `runcell spec` writes another one.",
	},
	{
		name: "podman", title: "podman's system tests in bats", control: "crun", limit: 10 * time.Minute,
		note: "Both ran with `netns = \"host\"` in containers.conf: a cell joins no network namespace, and podman's default is one.",
		files: []string{
			"test/system/030-run.bats", "test/system/050-stop.bats", "test/system/075-exec.bats", "test/system/080-pause.bats",
			"test/system/130-kill.bats", "test/system/220-healthcheck.bats", "test/system/280-update.bats",
		},
		without: map[string]string{"the others": "most are about images, networks, volumes, pods and services, or need a registry or systemd"},
		prepare: func(checkout, work string) error {
			if err := copyTree(filepath.Join(checkout, "test/system"), filepath.Join(work, "test/system")); err != nil {
				return err
			}
			return testImage(work)
		},
		command: func(work, file, runtime string) *exec.Cmd {
			cmd := exec.Command("sh", "-c", importImage(work)+" >&2 && exec bats --tap "+file)
			cmd.Env = append(os.Environ(), "PODMAN="+podman(work)+" --runtime "+runtime, "CONTAINERS_CONF="+filepath.Join(work, "containers.conf"))
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

// source is where a file's output comes from: a run, or what a run kept.
type source struct {
	work, runtime string
	logs          string // outputs are kept in, if it is a name
	again         bool   // what is there is not run
}

// play runs every file with a runtime and gives its tests.
func (s *suite) play(from source, match *regexp.Regexp) ([]result, error) {
	var files []string
	for _, pattern := range s.files {
		some, err := filepath.Glob(filepath.Join(from.work, pattern))
		if err != nil {
			return nil, fmt.Errorf("find tests of %s: %w", s.name, err)
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("find tests of %s: no %s in the checkout", s.name, pattern)
		}
		files = append(files, some...)
	}
	var all []result
	for _, file := range files {
		name := filepath.Base(file)
		if _, left := s.without[name]; left || !match.MatchString(name) {
			continue
		}
		out, err := s.get(from, file)
		if err != nil {
			return nil, err
		}
		results := parseTAP(name, out)
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", filepath.Base(from.runtime), name, count(results))
		all = append(all, results...)
	}
	return all, nil
}

func (s *suite) get(from source, file string) ([]byte, error) {
	log := filepath.Join(from.logs, filepath.Base(from.runtime)+"-"+filepath.Base(file)+".tap")
	if from.again {
		if out, err := os.ReadFile(log); !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
	}
	out, err := s.output(from.work, file, from.runtime)
	if err != nil || from.logs == "" {
		return out, err
	}
	if err := os.WriteFile(log, out, 0o644); err != nil {
		return nil, fmt.Errorf("keep output: %w", err)
	}
	return out, nil
}

// translator gives a program that runs runcell with what it calls the suite's
// arguments.
func (s *suite) translator(work, runtime, control string) (string, error) {
	if s.translate == "" {
		return runtime, nil
	}
	name := filepath.Join(work, filepath.Base(runtime)+"-translated")
	script := fmt.Sprintf("#!/bin/bash\nargs=(\"$@\") control='%s'\n%s\nexec '%s' \"${args[@]}\"\n", control, s.translate, runtime)
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		return "", fmt.Errorf("make translator: %w", err)
	}
	return name, nil
}

// output runs a file and gives what it printed, and takes away what it left.
func (s *suite) output(work, file, runtime string) ([]byte, error) {
	defer tidy(running())
	log, err := os.CreateTemp(work, "output") // a file: what is left running may hold it open
	if err != nil {
		return nil, fmt.Errorf("make output file: %w", err)
	}
	defer func() { _, _ = log.Close(), os.Remove(log.Name()) }()
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	// Tests open /dev/tty, which a build machine's processes have not.
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	defer master.Close()
	cmd := s.command(work, file, runtime)
	cmd.Dir, cmd.Stdin, cmd.Stdout = work, slave, log
	temporary := filepath.Join(work, "tmp") // a file of tests that is cut off removes nothing
	if err := os.MkdirAll(temporary, 0o777); err != nil {
		return nil, fmt.Errorf("make directory for temporary files: %w", err)
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", file, err)
	}
	bury := adopt(cmd.Process.Pid)
	defer bury()
	go func() { _, _ = io.Copy(io.Discard, master) }() // ends with the terminal
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	_ = cmd.Wait() // its status says no more than the tests
	out, err := os.ReadFile(log.Name())
	if ctx.Err() != nil {
		out = append(out, "\n"+cutOff+"\n"...)
	}
	return out, err
}

// version is the first line of what a runtime says of itself.
func version(path string) string {
	out, _ := exec.Command(path, "--version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
