// Command peers runs the test suite of another runtime with that runtime and
// with runcell, and writes a page that says what passes and, for each test that
// only the other one passes, why:
//
//	go run ./conformance/peers --suite crun --checkout DIR --control /usr/bin/crun --runtime bin/runcell --page docs/peers-crun.md
//
// The suite's sources are the caller's; nothing of them is kept, and nothing is
// written into them. The reasons are data, in reasons/: a test without one, and a
// reason that no test needs, are errors. It needs root, and is for Linux.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strings"
)

// The main goroutine keeps the main thread, for which the kernel answers when
// its parent's death is to be told.
func init() { goruntime.LockOSThread() }

type options struct {
	suite, checkout, control, runtime, page, run string
}

func main() {
	var o options
	flag.StringVar(&o.suite, "suite", "", "`suite` to run: "+strings.Join(names(), ", "))
	flag.StringVar(&o.checkout, "checkout", "", "`directory` with the sources of that suite's runtime")
	flag.StringVar(&o.control, "control", "", "that runtime (`file`)")
	flag.StringVar(&o.runtime, "runtime", "bin/runcell", "the runtime to test (`file`)")
	flag.StringVar(&o.page, "page", "", "write the page to this `file`")
	flag.StringVar(&o.run, "run", "", "only files of tests whose name matches this `regexp`")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	s, err := find(o.suite)
	if err != nil {
		return err
	}
	match, err := regexp.Compile(o.run)
	if err != nil {
		return fmt.Errorf("read --run: %w", err)
	}
	for _, path := range []*string{&o.checkout, &o.control, &o.runtime} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
		if _, err := os.Stat(*path); err != nil {
			return fmt.Errorf("find what to run: %w", err)
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("must be root: the tests make containers and mounts")
	}
	if err := alone(); err != nil {
		return err
	}
	reasons, err := readReasons(s.name)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := os.Chmod(work, 0o755); err != nil {
		return fmt.Errorf("open work directory for containers' users: %w", err)
	}
	if err := s.prepare(o.checkout, work); err != nil {
		return fmt.Errorf("prepare %s: %w", s.name, err)
	}
	control, err := s.play(work, o.control, match)
	if err != nil {
		return err
	}
	tested, err := s.play(work, o.runtime, match)
	if err != nil {
		return err
	}
	p := compare(control, tested, reasons)
	fmt.Print(p.summary())
	if o.page != "" {
		if err := os.WriteFile(o.page, []byte(p.page(s, version(o.control))), 0o644); err != nil {
			return fmt.Errorf("write page: %w", err)
		}
	}
	return p.fault(o.run == "")
}
