package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a mutant's tests do outside of the run's own directory fails.
func TestNothingOfTheMachineIsWritten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	machine, own := t.TempDir(), t.TempDir()
	kept := filepath.Join(machine, "kept")
	if err := os.WriteFile(kept, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	program, temp := filepath.Join(own, "mutants"), filepath.Join(own, "t")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	scripts := map[string]bool{
		`rm "$1"`:                        false,
		`mv "$1" "$1.away"`:              false,
		`: >"${1%/*}/new"`:               false,
		`: >"$(go env GOROOT)/new"`:      false,
		`rmdir "${1%/*}"`:                false,
		`: >"$2/new" && rm "$2/new"`:     true,
		`: >"${2%/*}/new"`:               true,
		`: >/run/new`:                    true,
		`test ! -e "$(go env GOROOT)/x"`: true,
		`kill -KILL 0; sleep 60`:         false, // it ends itself, and not this test
	}
	for _, ns := range []string{"pid", "mnt", "uts", "ipc"} {
		own, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			t.Fatal(err)
		}
		scripts[`test "$(readlink /proc/self/ns/`+ns+`)" != "`+own+`"`] = true
	}
	for script, works := range scripts {
		cmd, end, err := apartBy(t.Context(), program, temp, []string{"sh", "-c", script, "sh", kept, temp})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := cmd.CombinedOutput(); (err == nil) != works {
			t.Errorf("%s: %v, want success: %v\n%s", script, err, works, out)
		}
		end()
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	// Started by hand it changes no mounts: here they are not the machine's.
	cmd := exec.Command(program, insideArg, "none", temp, "true")
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "namespaces of its own") {
		t.Errorf("started by hand: %v, %s; want it refused", err, out)
	}
}

// What a mutant's tests leave in control groups ends with them, frozen or not, and
// whether they end or are ended.
func TestNoControlGroupStays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	own := t.TempDir()
	program, temp := filepath.Join(own, "mutants"), filepath.Join(own, "t")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	const leave = `cd /sys/fs/cgroup; test ! -d freezer || cd freezer
mkdir -m 1777 left left/below; sleep 1000 & echo $! >left/below/cgroup.procs
if test -e left/freezer.state; then echo FROZEN >left/freezer.state; else echo 1 >left/cgroup.freeze; fi; `
	for name, script := range map[string]string{"ends": leave, "is ended": leave + `echo; sleep 1000`} {
		ctx, cancel := context.WithCancel(t.Context())
		cmd, end, err := apartBy(ctx, program, temp, []string{"sh", "-ec", script})
		if err != nil {
			t.Fatal(err)
		}
		group := cmd.Args[2]
		out, err := cmd.StdoutPipe()
		if err == nil {
			cmd.Stderr = os.Stderr
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err == nil { // it has left all it will
			cancel()
		}
		err = cmd.Wait()
		if name == "ends" && err != nil {
			t.Error(err)
		}
		end()
		cancel()
		for _, dir := range []string{"", "*/"} {
			if left, _ := filepath.Glob("/sys/fs/cgroup/" + dir + group); len(left) > 0 {
				t.Errorf("a run that %s left %q", name, left)
			}
		}
	}
}
