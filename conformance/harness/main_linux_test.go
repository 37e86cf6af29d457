package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test program a worker or a fake runtime when it is
// called as one.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == WorkerArg:
		if err := Work(os.Stdin, os.Stdout, []*Suite{fakeSuite}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	case len(os.Args) > 3 && os.Args[1] == "--root":
		os.Exit(fakeRuntime(os.Args[2], os.Args[3:]))
	default:
		os.Exit(m.Run())
	}
}

// fakeRuntime leaves behind what its first argument says.
func fakeRuntime(root string, args []string) int {
	switch args[0] {
	case "say":
		fmt.Println(args[1])
	case "fail":
		fmt.Fprintln(os.Stderr, "fake: refused")
		return 1
	case "crash":
		panic("fake")
	case "sleep":
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "delete":
	case "leave-process":
		cmd := exec.Command(os.Args[0], "--root", root, "sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return status(cmd.Start())
	case "leave-state":
		return status(os.WriteFile(filepath.Join(root, "cells.json"), []byte(`["`+args[1]+`"]`), 0o600))
	case "leave-lock":
		return status(os.WriteFile(filepath.Join(root, "lock"), nil, 0o600))
	case "leave-file":
		return status(os.WriteFile(filepath.Join(args[1], "core"), nil, 0o600))
	default:
		return leaveOnSystem(args)
	}
	return 0
}

func status(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runFake runs one case of the fake suite against the fake runtime.
func runFake(t *testing.T, name string) Result {
	t.Helper()
	return runFakeIn(t, t.TempDir(), name)
}

// runFakeIn runs it in a work directory.
func runFakeIn(t *testing.T, dir, name string) Result {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("workers need root: run the tests as root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := fakeSuite.Case(name)
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{
		Suite: fakeSuite, Targets: []Target{{Name: "fake", Path: self, OCIVersion: "1.0.2"}}, Cases: []Case{c},
		Probe: probe, WorkDir: dir, Jobs: 1,
	}
	var got []Result
	if err := r.Do(func(r Result) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("Do gave %d results; want 1", len(got))
	}
	left, err := os.ReadDir(r.WorkDir)
	if err != nil || len(left) > 0 {
		t.Errorf("the case's directory is left: %v, %v", left, err)
	}
	return got[0]
}

// contains says whether one of the lines has the text.
func contains(lines []string, text string) bool {
	for _, line := range lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}
