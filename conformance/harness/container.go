package harness

// A container under test, from the caller's side.

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/probe/fact"
)

// Container is a container that `create` or `run` made.
type Container struct {
	t      *T
	ID     string
	Bundle *Bundle
	output string // file with the container's stdout
	errors string
}

// State is what `state` and an element of `list` print.
type State struct {
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     string            `json:"created"`
	Owner       *string           `json:"owner"`
	Annotations map[string]string `json:"annotations"`
}

// Create makes a container that waits for Start.
func (t *T) Create(mods ...Mod) *Container { return t.CreateFrom(t.Bundle(mods...)) }

// CreateFrom makes a container from a bundle.
func (t *T) CreateFrom(b *Bundle, flags ...string) *Container {
	return t.CreateWith(Cmd{}, b, flags...)
}

// CreateWith makes a container with a call that the case has prepared.
func (t *T) CreateWith(call Cmd, b *Bundle, flags ...string) *Container {
	c := &Container{t: t, ID: t.ID(), Bundle: b}
	call.Args = append(append([]string{"create", "--bundle", b.Dir}, flags...), c.ID)
	p := t.Begin(call)
	c.output, c.errors = p.stdout, p.stderr
	if r := p.Wait(); r.Code != 0 {
		t.Fatalf("want a container: %s", r)
	}
	return c
}

// Running makes a container and starts it; the probe must say that it is
// ready (operations trap, signals, sleep).
func (t *T) Running(mods ...Mod) *Container {
	c := t.Create(mods...)
	c.Start()
	c.WaitLine("ready")
	return c
}

// Idle is a process that prints its facts, then every signal it gets, and
// goes on until SIGKILL.
var Idle = Do("facts", ";", "signals")

// Start starts the container.
func (c *Container) Start() { c.t.OK("start", c.ID) }

// Kill sends a signal; args are as on the command line after the id.
func (c *Container) Kill(args ...string) { c.t.OK(append([]string{"kill", c.ID}, args...)...) }

// Stop kills the container and waits until it is stopped.
func (c *Container) Stop() {
	c.Kill("KILL")
	c.WaitStatus("stopped")
}

// Delete deletes the container.
func (c *Container) Delete() { c.t.OK("delete", c.ID) }

// State asks for the container's state.
func (c *Container) State() State {
	r := c.t.OK("state", c.ID)
	var s State
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		c.t.Fatalf("decode state: %v: %s", err, r)
	}
	return s
}

// WaitStatus waits until the container has a status.
func (c *Container) WaitStatus(status string) {
	last := ""
	c.t.Eventually(func() bool {
		last = c.State().Status
		return last == status
	}, "status is %q, want %q", lazy(func() string { return last }), status)
}

// Gone checks that the runtime does not know the container any more.
func (c *Container) Gone() { c.t.Unknown(c.ID) }

// Unknown checks that an id names no container.
func (t *T) Unknown(id string) {
	if r := t.Try("state", id); r.Code == 0 {
		t.Errorf("container %s still exists: %s", id, r)
	}
}

// Output gives what the container wrote to stdout so far.
func (c *Container) Output() string { return readAll(c.output) }

// Stderr gives what create and the container wrote to stderr so far.
func (c *Container) Stderr() string { return readAll(c.errors) }

// Lines parses what the probe printed so far.
func (c *Container) Lines() Lines { return ParseLines(c.Output()) }

// WaitLine waits for an operation's line.
func (c *Container) WaitLine(op string) fact.Line {
	var line fact.Line
	c.t.Eventually(func() (ok bool) {
		line, ok = c.Lines().Find(op)
		return ok
	}, "no %q from the container; output %q, stderr %q", op, lazy(c.Output), lazy(c.Stderr))
	return line
}

// Wait waits until the container is stopped and gives its lines.
func (c *Container) Wait() Lines {
	c.WaitStatus("stopped")
	return c.Lines()
}

// Facts waits for the probe's facts.
func (c *Container) Facts() *fact.Facts { return c.WaitLine("facts").Facts }

// lazy is a value for a message that is made when the message is.
type lazy func() string

func (l lazy) String() string { return short(l()) }

// Lines is what the probe printed.
type Lines []fact.Line

// ParseLines reads the probe's lines and leaves out anything else.
func ParseLines(text string) Lines {
	var lines Lines
	for s := range strings.Lines(text) {
		var line fact.Line
		// A terminal's echo, such as "^C", may stand before the object.
		_, object, _ := strings.Cut(s, "{")
		if json.Unmarshal([]byte("{"+object), &line) == nil && line.Op != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Find gives the first line of an operation whose first arguments are args.
func (l Lines) Find(op string, args ...string) (fact.Line, bool) {
	for _, line := range l {
		if line.Op == op && len(line.Args) >= len(args) && slices.Equal(line.Args[:len(args)], args) {
			return line, true
		}
	}
	return fact.Line{}, false
}

// Ops lists the operations with their arguments, for comparing an order.
func (l Lines) Ops() []string {
	var ops []string
	for _, line := range l {
		ops = append(ops, strings.Join(append([]string{line.Op}, line.Args...), " "))
	}
	return ops
}

// Probe runs a container in the foreground, which must exit with 0, and
// gives the probe's lines.
func (t *T) Probe(mods ...Mod) Lines { return t.ProbeBundle(t.Bundle(mods...)) }

// ProbeBundle is Probe for a bundle.
func (t *T) ProbeBundle(b *Bundle) Lines {
	r := t.OK("run", "--bundle", b.Dir, t.ID())
	return ParseLines(r.Stdout)
}

// Facts runs a container and gives what its process says about itself.
func (t *T) Facts(mods ...Mod) *fact.Facts {
	lines := t.Probe(mods...)
	line, ok := lines.Find("facts")
	if !ok {
		t.Fatalf("no facts from the container: %v", lines.Ops())
	}
	return line.Facts
}

// Line gives an operation's line; the case ends if there is none.
func (t *T) Line(lines Lines, op string, args ...string) fact.Line {
	line, ok := lines.Find(op, args...)
	if !ok {
		t.Fatalf("no line for %s %q in %v", op, args, lines.Ops())
	}
	return line
}

// Succeeds checks that an operation inside succeeded.
func (t *T) Succeeds(lines Lines, op string, args ...string) fact.Line {
	line := t.Line(lines, op, args...)
	if !line.OK {
		t.Errorf("inside: %s %q failed: %s", op, args, line.Error)
	}
	return line
}

// Denied checks that an operation inside failed with one of the errors.
func (t *T) Denied(errnos []string, lines Lines, op string, args ...string) {
	line := t.Line(lines, op, args...)
	if line.OK || !slices.Contains(errnos, line.Errno) {
		t.Errorf("inside: %s %q: got ok=%v %s, want one of %v", op, args, line.OK, line.Errno, errnos)
	}
}

func decimal(n int) string { return strconv.Itoa(n) }
