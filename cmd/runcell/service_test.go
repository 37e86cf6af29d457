package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/runtime"
)

// A cell that does not come to run, as a hook hangs, ends the wait of who starts
// it: others are to follow.
func TestStartWaitsNotForEver(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "runcell")
	if err := os.WriteFile(own, []byte("#!/bin/sh\necho it waits\nwhile [ -e '"+own+"' ]; do sleep 0.05; done\necho over\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	a := newApp()
	a.executable = func() (string, error) { return own, nil }
	var errs bytes.Buffer
	a.Stderr = &errs
	s := &services{app: a, engine: &fake{err: runtime.ErrNotExist}, state: dir, unlock: func() {}, startPatience: 2 * tellPatience}
	err := s.supervise(t.Context(), &service.Declaration{Name: "web", LogFile: filepath.Join(dir, "log")}, nil)
	if err == nil || !strings.Contains(err.Error(), "does not run after") || !strings.Contains(err.Error(), "it waits") {
		t.Errorf("start says %v", err)
	}
	if !strings.Contains(errs.String(), "wait until web runs") {
		t.Errorf("meanwhile it says %q", errs.String())
	}
	// It is left alone: it may still come to run. Here it ends with its file.
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if b, _ := os.ReadFile(filepath.Join(dir, "log")); strings.HasSuffix(string(b), "over\n") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("what was started does not end")
		}
	}
}

// What a restart changes is told in the words of the declaration.
func TestDriftInWords(t *testing.T) {
	is, will := policy.Defaults(policy.High), policy.Defaults(policy.High).With(policy.Mount)
	got := lines(slices.Concat(openings(is, will), openings(will, is), calls(
		strings.Fields("--root /r run --bundle /b --restart always --stop-time 10s --log-file /l -- web"),
		strings.Fields("--root /r --strict run --bundle /b --restart no --stop-time 10s --syslog daemon.info -- web"))))
	want := `
  permission mount: closed -> open
  permission mount: open -> closed
  log-file: /l -> nothing
  restart: always -> no
  strict: nothing -> yes
  syslog: nothing -> daemon.info`
	if got != want {
		t.Errorf("it is told as %s\nwant %s", got, want)
	}
}

// What was denied to a cell is in its log when the container has gone.
func TestKeeperSaysDenied(t *testing.T) {
	var said bytes.Buffer
	k := &keeper{engine: (&fake{}).someCells(t), o: runtime.CreateOptions{ID: "web"}, stderr: &said}
	k.sayDenied()
	if want := "runcell: web 3 requests denied, the last system.mknod: the permission mknod opens it\n"; said.String() != want {
		t.Errorf("the log has %q; want %q", said.String(), want)
	}
	said.Reset()
	k.o.ID = "db"
	k.sayDenied()
	if want := "runcell: db 1 request denied, the last network.bind.port.reserved: no permission opens it\n"; said.String() != want {
		t.Errorf("the log has %q; want %q", said.String(), want)
	}
}

// An import that fails with its last file has put nothing in place.
func TestSettleTakesBack(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"in/config.json", "in/image.json", "in/root/rootfs/f", "in/data-x/rootfs/f", "etc/web.cell/in-the-way"} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := []byte("image = web:1\nvolume = x:/a\nvolume = x:/b:ro\n")
	d, err := service.Parse("web", text)
	if err != nil {
		t.Fatal(err)
	}
	a := newApp()
	a.dataDir = filepath.Join(dir, "db")
	s := &services{app: a, dir: filepath.Join(dir, "etc")}
	if err := s.settle(d, filepath.Join(dir, "in"), text); err == nil || !strings.Contains(err.Error(), "web.cell") {
		t.Errorf("settle: %v; want what is in the way", err)
	}
	for _, pattern := range []string{"db/data/*", "db/services/*"} {
		if list, _ := filepath.Glob(filepath.Join(dir, pattern)); len(list) > 0 {
			t.Errorf("a part of it is there: %q", list)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "web.cell")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "in", "home")); err != nil {
		t.Fatal(err)
	}
	if err := s.settle(d, filepath.Join(dir, "in"), text); err != nil {
		t.Errorf("settle: %v", err)
	}
	for _, file := range []string{"db/data/x/f", "db/services/web/1/rootfs/f", "etc/web.cell"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

// What only has such a name is not ours, and a FIFO would be waited for.
func TestSweep(t *testing.T) {
	a := newApp()
	a.dataDir = t.TempDir()
	s := &services{app: a}
	path := func(name string) string { return filepath.Join(a.dataDir, name) }
	if err := errors.Join(os.MkdirAll(path("moving.1/layout"), 0o700), os.Mkdir(path("gone.moving.2"), 0o700), os.Mkdir(path("moving"), 0o700),
		os.WriteFile(path("moving.file"), nil, 0o600), os.Symlink("moving", path("moving.link")), syscall.Mkfifo(path("moving.fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.sweep() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for a writer")
	}
	list, err := filepath.Glob(path("*"))
	if want := []string{path("moving"), path("moving.fifo"), path("moving.file"), path("moving.link")}; err != nil || !slices.Equal(list, want) {
		t.Errorf("left is %q, %v; want %q", list, err, want)
	}
}
