package main

// How a program under measurement is started.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// launcher starts a command somewhere: with the mounts that the bench was
// started with, or with those of its private mount namespace.
type launcher interface {
	start(*exec.Cmd) error
}

type plainLauncher struct{}

func (plainLauncher) start(c *exec.Cmd) error { return c.Start() }

// token marks the environment of everything we start, so that what stays
// behind can be told from the rest of the machine.
var token = fmt.Sprintf("RUNCELL_BENCH=%d", os.Getpid())

// usage is what a command cost, with the children that it waited for.
type usage struct {
	wall, cpu        time.Duration
	switches, faults int64 // of the context, voluntary or not; of pages, minor
}

// run measures one command from fork to exit. Its output is the error's text.
func run(l launcher, argv ...string) (usage, error) {
	u, _, err := capture(l, argv...)
	return u, err
}

func capture(l launcher, argv ...string) (u usage, _ string, err error) {
	var errs bytes.Buffer
	c := &exec.Cmd{Path: argv[0], Args: argv, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", token}}
	// A file, not a pipe: a detached container inherits it, and Wait would
	// then wait for the container.
	f, err := os.CreateTemp("", "runcell-bench-out-")
	if err != nil {
		return u, "", err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	c.Stdout, c.Stderr = f, f
	began := time.Now()
	if err = l.start(c); err == nil {
		err = c.Wait()
	}
	u.wall = time.Since(began)
	if p := c.ProcessState; p != nil {
		u.cpu = p.UserTime() + p.SystemTime()
		if r, ok := p.SysUsage().(*syscall.Rusage); ok {
			u.switches, u.faults = int64(r.Nvcsw+r.Nivcsw), int64(r.Minflt)
		}
	}
	if _, e := f.Seek(0, 0); e == nil {
		_, _ = errs.ReadFrom(f)
	}
	if err != nil {
		return u, "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return u, errs.String(), nil
}
