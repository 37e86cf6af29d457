// Command vm boots a NetBSD kernel under QEMU, runs suites in it, and exits
// with 0 if every test that was planned reported, and passed. Most people call
// it as
//
//	make test-netbsd KERNEL=/path/netbsd [NETBSD_SYS=/path/sys] [SUITE=…]
//
// docs/developing.md says more. It prints TAP; the console is in a file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// options are the command line. Strings may be empty: make passes them all.
type options struct {
	kernel, sys, module, image string
	suite, run, root, flags    string
	logs, containerd, userland string
	cpus, memory, rounds       int
	tries                      int
	icount                     bool
	quiet                      time.Duration
	port                       *port // the kernel's
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := test(ctx, parse(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.StringVar(&o.kernel, "kernel", "", "NetBSD kernel, for amd64 or i386 (`file`)")
	flag.StringVar(&o.sys, "sys", "", "kernel sources to build the module for (`directory`)")
	flag.StringVar(&o.module, "module", "", "a kernel module that is built already (`file`)")
	flag.StringVar(&o.image, "image", "", "disk `image` of a NetBSD system that runs the suites; see docs/developing.md")
	flag.StringVar(&o.containerd, "containerd", "", "`directory` with "+strings.Join(foreign, ", ")+" for the guest; see docs/containerd-netbsd.md")
	flag.StringVar(&o.userland, "userland", "", "`directory` with bin, sbin, usr, etc of a NetBSD for the guest; see docs/developing.md")
	flag.StringVar(&o.suite, "suite", "", "`suites` to run, separated by commas: "+suiteNames()+" (default: smoke, and kmod if there is a module)")
	flag.StringVar(&o.run, "run", "", "run only cases whose name matches this `regexp`")
	flag.StringVar(&o.root, "root", "wd0a", "the kernel's `name` for its root device")
	flag.StringVar(&o.flags, "flags", "", "`flags` for the kernel, as in boot(8)")
	flag.StringVar(&o.logs, "logs", "", "keep console log and TAP files in this `directory` (default: a new one)")
	flag.IntVar(&o.cpus, "smp", 1, "`number` of processors")
	flag.BoolVar(&o.icount, "icount", false, "the guest's clock counts instructions, a nanosecond each: one processor, and no KVM")
	flag.IntVar(&o.memory, "memory", 1024, "memory in `MB`")
	flag.IntVar(&o.rounds, "rounds", 20, "`number` of rounds of the suites repeat and leak")
	flag.IntVar(&o.tries, "tries", 0, "`number` of tries of each case that needs luck to see a fault (default: few)")
	flag.DurationVar(&o.quiet, "quiet", time.Minute, "give the guest up after this `time` without a word")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "vm: unexpected arguments: %q\n", flag.Args())
		os.Exit(2)
	}
	return o
}

// check finds what is wrong with the options before anything is built.
func (o *options) check() error {
	switch {
	case o.kernel == "" && o.image == "":
		return errors.New("no kernel: say KERNEL=/path/to/netbsd (a NetBSD kernel for amd64 or i386), or IMAGE= (docs/developing.md)")
	case o.sys != "" && o.module != "":
		return errors.New("NETBSD_SYS= builds the module, MODULE= names one that is built: give one of them")
	case o.userland != "" && o.image != "":
		return errors.New("USERLAND= is for the guest's own root, IMAGE= names a system that has one: give one of them")
	case o.icount && o.cpus > 1:
		return fmt.Errorf("ICOUNT=1 needs SMP=1: processors would count together")
	case o.cpus < 1 || o.memory < 256 || o.rounds < 1 || o.tries < 0:
		return fmt.Errorf("SMP=%d, MEMORY=%d, ROUNDS=%d, TRIES=%d: at least one CPU, 256 MB and one round", o.cpus, o.memory, o.rounds, o.tries)
	}
	if _, err := regexp.Compile(o.run); err != nil {
		return fmt.Errorf("read RUN=: %w", err)
	}
	o.port = &ports[0] // a disk image does not tell
	if o.kernel != "" {
		p, err := kernelPort(o.kernel)
		if err != nil {
			return err
		}
		o.port = p
	}
	paths := []string{o.image, o.module}
	if o.containerd != "" {
		for _, name := range foreign {
			paths = append(paths, filepath.Join(o.containerd, name))
		}
	}
	if o.userland != "" {
		paths = append(paths, filepath.Join(o.userland, "bin/sh"), filepath.Join(o.userland, "etc/rc.subr"))
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("find file: %w", err)
		}
	}
	return nil
}

// planFor makes the plan that the options ask for.
func (o *options) planFor() (*protocol.Plan, error) {
	have := have{module: o.sys != "" || o.module != "", foreign: o.containerd != ""}
	names := []string{"smoke"}
	switch {
	case o.suite != "":
		names = strings.Split(o.suite, ",")
	case have.module:
		names = append(names, "kmod")
	}
	w := want{prefix: "/", run: o.run, rounds: o.rounds, tries: o.tries, cpus: o.cpus, rc: o.userland != "", foreign: have.foreign}
	if o.image != "" {
		w.prefix = imagePrefix
	}
	plan, err := makePlan(names, w, have)
	if err == nil && o.image != "" && plan.CutsPower() {
		err = errors.New("a suite that cuts the power needs the guest's own root: leave IMAGE= away")
	}
	return plan, err
}

// imagePrefix is where a system of its own mounts the guest's image.
const imagePrefix = "/vm/"

// test does what the command line asks; ok says that all tests passed.
func test(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	if err := o.check(); err != nil {
		return false, err
	}
	plan, err := o.planFor()
	if err != nil {
		return false, err
	}
	qemu, err := findQEMU()
	if err != nil {
		return false, err
	}
	work, err := os.MkdirTemp("", "runcell-vm-")
	if err != nil {
		return false, fmt.Errorf("make work directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	m := &machine{
		qemu: qemu, kvm: kvmUsable() && !o.icount, icount: o.icount, cpus: o.cpus, memory: o.memory,
		kernel: o.kernel, root: o.root, flags: o.flags,
	}
	if err := o.prepare(ctx, m, plan, work); err != nil {
		return false, err
	}
	logs, err := openLogs(o.logs)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, logs.close()) }()
	s := newSession(plan, out, logs.tap)
	s.out.comment(fmt.Sprintf("%s, QEMU (%s), %d CPUs, %d MB; console log: %s", o.port.name, m.accelerator(), m.cpus, m.memory, logs.console.Name()))
	why := boot(ctx, m, s, logs.console, work, o.quiet)
	ok = s.close(why)
	return ok, logs.err
}

// prepare builds everything and tells the machine where it is.
func (o *options) prepare(ctx context.Context, m *machine, plan *protocol.Plan, work string) (err error) {
	if o.sys != "" {
		if o.module, err = buildModule(ctx, o.port, o.sys, os.Stderr); err != nil {
			return err
		}
	}
	for _, sub := range []string{"root", "loader"} {
		if err := os.Mkdir(filepath.Join(work, sub), 0o755); err != nil {
			return fmt.Errorf("make work directory: %w", err)
		}
	}
	g, err := buildGuest(ctx, filepath.Join(work, "root"), plan, o)
	if err != nil {
		return err
	}
	payload := filepath.Join(work, "payload.img")
	if err := g.image(ctx, payload); err != nil {
		return err
	}
	m.disks = []disk{{payload, false}}
	if plan.CutsPower() {
		m.first = filepath.Join(work, "first.img")
		m.disks = append(m.disks, disk{m.first, false})
	}
	if o.image != "" {
		m.disks = []disk{{o.image, true}, {payload, false}}
	}
	if o.kernel != "" {
		m.loader, err = buildLoader(ctx, filepath.Join(work, "loader"), o.port)
	}
	return err
}

func (m *machine) accelerator() string {
	if m.kvm {
		return "KVM"
	}
	return "TCG"
}

// boot runs the machine until the session is over. A machine whose power is cut is
// QEMU killed: what the guest has not written to its disks is lost.
func boot(ctx context.Context, m *machine, s *session, log io.Writer, work string, quiet time.Duration) error {
	for {
		if err := m.begin(s.next); err != nil {
			return err
		}
		err := bootOnce(ctx, m, s, log, work, quiet)
		if err != nil || s.fault != nil || !s.dark {
			return err
		}
		s.again()
	}
}

func bootOnce(ctx context.Context, m *machine, s *session, log io.Writer, work string, quiet time.Duration) error {
	r, err := m.start(ctx, work)
	if err != nil {
		return err
	}
	w := &watcher{s: s, log: log, typed: r.typed, limits: limits{
		quiet: quiet, total: total(s.plan), linger: 20 * time.Second, farewell: 15 * time.Second, partial: time.Second,
	}}
	why := w.watch(r.lines)
	if err := errors.Join(ctx.Err(), r.stop()); err != nil {
		return err
	}
	return why
}

// total is the time that a plan may take: the guest ends steps by itself.
func total(p *protocol.Plan) time.Duration {
	sum := 5 * time.Minute
	for _, s := range p.Steps {
		sum += s.Limit() + 30*time.Second
	}
	return sum
}
