package main

// How a program under measurement is started.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
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
const token = "RUNCELL_BENCH=1"

// run times one command from fork to exit. Its output is the error's text.
func run(l launcher, argv ...string) (time.Duration, error) {
	d, _, err := capture(l, argv...)
	return d, err
}

func capture(l launcher, argv ...string) (time.Duration, string, error) {
	var errs bytes.Buffer
	c := &exec.Cmd{Path: argv[0], Args: argv, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", token}}
	// A file, not a pipe: a detached container inherits it, and Wait would
	// then wait for the container.
	f, err := os.CreateTemp("", "runcell-bench-out-")
	if err != nil {
		return 0, "", err
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
	d := time.Since(began)
	if _, e := f.Seek(0, 0); e == nil {
		_, _ = errs.ReadFrom(f)
	}
	if err != nil {
		return d, "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return d, errs.String(), nil
}
