package host

// The suite: for each kind of thing and each user, an adversary is let loose.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/conformance/adversary/ledger"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/sysctl"
)

// subject is one as whom things are tried.
type subject struct {
	name string
	uid  int
}

var subjects = []subject{{"root", 0}, {"user", 1000}}

// kind is a sweep, and the program that makes it.
type kind struct {
	name  string
	does  string
	nodes bool // it needs a node for every device
}

var kinds = []kind{
	{"syscall", "every system call", false},
	{"linux", "every system call of the emulation of Linux", false},
	{"socket", "every domain, type and protocol of sockets", false},
	{"option", "every option of sockets", false},
	{"ioctl", "every request of ioctl(2)", false},
	{"setting", "every setting of the kernel", false},
	{"device", "every device", true},
}

// Options of a run.
type Options struct {
	Dir string // a directory to work in
	Run string // only what matches: a kind, a subject and an item, as in "syscall root ^kill$"
}

// suite is the state of a run.
type suite struct {
	out      io.Writer
	points   int
	failed   int
	client   kmod.Client
	dir      string
	ipc      *objects
	observer *observer
	handle   []byte
	only     *filter
}

// filter is what a run is restricted to.
type filter struct {
	kind, subject *regexp.Regexp
	item          string // compiled by the adversary
}

func parseFilter(run string) (*filter, error) {
	var words [3]string
	if copy(words[:], strings.Fields(run)) < len(strings.Fields(run)) {
		return nil, fmt.Errorf("read what to run: %q has more than a kind, a subject and an item", run)
	}
	kind, e1 := regexp.Compile(words[0])
	subject, e2 := regexp.Compile(words[1])
	_, e3 := regexp.Compile(words[2])
	if err := errors.Join(e1, e2, e3); err != nil {
		return nil, fmt.Errorf("read what to run: %w", err)
	}
	return &filter{kind, subject, words[2]}, nil
}

// nobody is the name of a process that does not exist.
const nobody = "nobody"

// Run prints TAP and tells whether all is as the list says.
func Run(o Options, out io.Writer) (ok bool, err error) {
	only, err := parseFilter(o.Run)
	if err != nil {
		return false, err
	}
	list, err := ledger.Load()
	if err != nil {
		return false, err
	}
	s := &suite{out: out, dir: o.Dir, only: only}
	fmt.Fprintln(out, "TAP version 14")
	if err := s.open(); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.point("the observer sees what changes", "", s.sees())
	for _, k := range kinds {
		s.kind(k, list)
	}
	fmt.Fprintf(out, "1..%d\n# %d passed, %d failed, 0 skipped\n", s.points, s.points-s.failed, s.failed)
	return s.failed == 0 && s.points > 0, nil
}

// open makes what the host has.
func (s *suite) open() (err error) {
	if s.dir, err = os.MkdirTemp(s.dir, "adversary-"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	if s.client, err = sysctl.Open(); err != nil {
		return err
	}
	if s.ipc, err = makeObjects(); err != nil {
		return err
	}
	if err := makeHostFile(); err != nil {
		return err
	}
	if s.handle, err = handle(hostFile); err != nil {
		return err
	}
	s.observer = newObserver(s.ipc, hostFile)
	fmt.Fprintf(s.out, "# %d settings are watched\n", len(s.observer.settings))
	return nil
}

func (s *suite) close() error {
	s.ipc.remove()
	return errors.Join(os.Remove(hostFile), os.RemoveAll(s.dir))
}

// kind tries one kind as every subject, and judges it.
func (s *suite) kind(k kind, list *ledger.List) {
	var happened []ledger.Outcome
	var who []string
	for _, x := range subjects {
		if !s.only.kind.MatchString(k.name) || !s.only.subject.MatchString(x.name) {
			continue
		}
		began := time.Now()
		h, err := s.hunt(k, x)
		note := fmt.Sprintf("%d items, %d attempts, %d not refused, %d changes, %d objects left and removed, %.0f s",
			h.items, h.tried, h.passed, h.changes, h.strays, time.Since(began).Seconds())
		if err == nil && h.items == 0 {
			err = errors.New("nothing was tried")
		}
		s.point(fmt.Sprintf("%s as %s of a cell", k.does, x.name), note, err)
		happened, who = append(happened, h.outcomes...), append(who, x.name)
	}
	if len(who) == 0 {
		return
	}
	d := list.Compare(happened, []string{k.name}, who)
	for _, l := range d.New {
		fmt.Fprintf(s.out, "# new: %s\n", l)
	}
	if s.only.item != "" {
		d.Stale = nil // most was not tried
	}
	for _, l := range d.Stale {
		fmt.Fprintf(s.out, "# stale: %s\n", l)
	}
	var err error
	if n, m := len(d.New), len(d.Stale); n+m > 0 {
		err = fmt.Errorf("%d lines are new: decide about each, and add it to conformance/adversary/ledger/lists with a reason; "+
			"%d did not happen: take them out (they stand above, as new and as stale)", n, m)
	}
	s.point("what was not refused, of "+k.name+", is what the list allows", "", err)
}

func (s *suite) point(name, note string, err error) {
	s.points++
	if note != "" {
		name += " (" + note + ")"
	}
	if err == nil {
		fmt.Fprintf(s.out, "ok %d - %s\n", s.points, name)
		return
	}
	s.failed++
	fmt.Fprintf(s.out, "not ok %d - %s\n  ---\n  message: %q\n  ...\n", s.points, name, err)
}

// settled are the processes' names, in order.
func settled(m map[string]*idler) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
