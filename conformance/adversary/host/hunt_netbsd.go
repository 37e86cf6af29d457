package host

// One adversary, and what it meets.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/netbsd-cells/runcell/conformance/adversary/attack"
	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
	"github.com/netbsd-cells/runcell/conformance/adversary/ledger"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// hunt is a sweep of one subject.
type hunt struct {
	s         *suite
	k         kind
	as        subject
	cell      *cell
	neighbour *cell
	victims   map[string]*idler
	seen      view
	surveyed  view
	since     string // the item after the last survey
	outcomes  []ledger.Outcome

	items, tried, passed, changes int
	strays                        int // objects that it left
	next                          int
	began                         time.Time // of the item
	last                          string    // the item that is tried
}

// hunt runs one adversary to its end, and another one from there when it was
// ended by what it did.
func (s *suite) hunt(k kind, as subject) (h *hunt, err error) {
	h = &hunt{s: s, k: k, as: as, victims: map[string]*idler{}}
	name := "adversary-" + k.name + "-" + as.name
	if h.cell, err = newCell(s.client, s.dir, name, policy.High); err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, h.cell.remove()) }()
	if k.nodes {
		if err := makeNodes(h.cell.root); err != nil {
			return h, err
		}
	}
	if h.neighbour, err = newCell(s.client, s.dir, name+"-neighbour", policy.High); err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, h.neighbour.remove()) }()
	defer func() { err = errors.Join(err, h.sweep()) }()
	defer h.endVictims()
	if err := h.newVictims(); err != nil {
		return h, err
	}
	const deaths = 20
	for range deaths {
		done, err := h.loose()
		if done || err != nil {
			return h, err
		}
	}
	return h, fmt.Errorf("the adversary ended %d times, at last after %s", deaths, h.last)
}

// newVictims starts those that the adversary must not reach.
func (h *hunt) newVictims() error {
	h.endVictims()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	for name, where := range map[string]struct {
		place place
		path  string
	}{
		"victim":    {place{0, "/", h.as.uid}, self},
		"neighbour": {place{uint32(h.neighbour.id), h.neighbour.root, h.as.uid}, program},
	} {
		x, err := where.place.idle(where.path)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		h.victims[name] = x
	}
	h.seen = h.s.observer.look(h.processes())
	for name := range h.processes() {
		if name != nobody && h.seen[name+".life"] != "alive" {
			return fmt.Errorf("%s is %s at the start", name, h.seen[name+".life"])
		}
	}
	h.surveyed = h.s.observer.survey(h.processes())
	h.since = ""
	return nil
}

func (h *hunt) endVictims() {
	for _, name := range settled(h.victims) {
		h.victims[name].end()
		delete(h.victims, name)
	}
}

// processes are those that are tried, and a number that no process has: one
// near to the victim's, since a call may take it for something else.
func (h *hunt) processes() map[string]int64 {
	m := map[string]int64{"init": 1}
	for name, x := range h.victims {
		m[name] = int64(x.cmd.Process.Pid)
	}
	none := m["victim"] - 1
	for !errors.Is(unix.Kill(int(none), 0), unix.ESRCH) || !errors.Is(unix.Kill(-int(none), 0), unix.ESRCH) {
		none--
	}
	m[nobody] = none
	return m
}

func (h *hunt) world() attack.World {
	return attack.World{Processes: h.processes(), Objects: calls.World(h.s.ipc.ids)}
}

// adversary is a running one.
type adversary struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *json.Decoder

	files []io.Closer
	stuck atomic.Bool // it was ended because it did not go on
}

// silence is longer than any item takes.
const silence = time.Minute

// loose lets one adversary go on until it is done, or is no more.
func (h *hunt) loose() (done bool, err error) {
	a, err := h.start()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, a.end(done)) }()
	if err := a.in.Encode(attack.Job{Kind: h.k.name, From: h.next, Only: h.s.only.item, Handle: h.s.handle, World: h.world()}); err != nil {
		return false, fmt.Errorf("tell the adversary: %w", err)
	}
	// One that says nothing has met something that never ends.
	wait := time.AfterFunc(silence, func() { h.stuck(a) })
	defer wait.Stop()
	for {
		var said attack.Said
		err := a.out.Decode(&said)
		if err != nil && h.last == "" {
			return false, fmt.Errorf("hear the adversary's first word: %w", err)
		}
		if a.stuck.Load() {
			return false, fmt.Errorf("the adversary hangs in %s", h.last)
		}
		if err != nil {
			return false, h.gone()
		}
		wait.Reset(silence)
		if said.Name != "" {
			h.last, h.next = said.Name, said.Item
		}
		if said.Begin {
			h.began = time.Now()
			continue
		}
		if said.Error != "" {
			return true, fmt.Errorf("the adversary can't go on: %s", said.Error)
		}
		if said.Done {
			h.next = 0 // the last survey
			return true, h.compare(h.last)
		}
		if err := h.hear(said); err != nil {
			return true, err
		}
		if err := a.in.Encode(h.world()); err != nil {
			return false, nil // it is no more: nothing that it said did that
		}
	}
}

// stuck ends an adversary that does not go on, and tells what its threads wait
// for: kern.lwp (sysctl(7)).
func (h *hunt) stuck(a *adversary) {
	const ctlKern, lwps, size, state, message, many = 1, 64, 152, 58, 64, 32
	b := make([]byte, many*size)
	n, err := sysctlCall([]int32{ctlKern, lwps, int32(a.cmd.Process.Pid), size, many}, b, nil)
	fmt.Fprintf(h.s.out, "# the adversary says nothing after %s: %d bytes of threads, %v\n", h.last, n, err)
	for b = b[:n]; len(b) >= size; b = b[size:] {
		fmt.Fprintf(h.s.out, "# a thread in state %d waits for %q\n", b[state], unix.ByteSliceToString(b[message:message+8]))
	}
	a.stuck.Store(true)
	_ = a.cmd.Process.Kill()
}

// gone: the adversary ended in the middle of an item, which is passed over.
func (h *hunt) gone() error {
	h.outcomes = append(h.outcomes, ledger.Effect(h.k.name, h.last, "adversary.ended", h.as.name))
	h.next++
	return h.compare(h.last)
}

// long is what an item is mentioned for.
const long = 5 * time.Second

// hear takes note of an item's result and of what it changed.
func (h *hunt) hear(said attack.Said) error {
	h.next = said.Item + 1
	h.items++
	h.tried += said.Tried
	if took := time.Since(h.began); took > long {
		fmt.Fprintf(h.s.out, "# %s takes %.0f s\n", said.Name, took.Seconds())
	}
	if h.s.only.item != "" {
		fmt.Fprintf(h.s.out, "# %s: %d attempts, not refused: %v %q\n", said.Name, said.Tried, said.Passed, said.How)
	}
	for _, p := range said.Passed {
		h.passed++
		h.outcomes = append(h.outcomes, ledger.Outcome{Kind: h.k.name, Name: p.Name, At: p.At, As: h.as.name})
	}
	if err := h.sweep(); err != nil {
		return err
	}
	return h.compare(said.Name)
}

// sweep removes what an item left: else there is no room for the next, or it
// finds it.
func (h *hunt) sweep() error {
	n, err := h.s.ipc.strays()
	h.strays += n
	return err
}

// between is how many items there are between two surveys.
const between = 16

// compare looks at what changed since the last time. What changed is made anew.
func (h *hunt) compare(name string) error {
	if h.since == "" {
		h.since = name
	}
	now := h.s.observer.look(h.processes())
	changed := h.note(name, h.seen, now)
	h.seen = now
	if h.next%between == 0 || changed {
		now := h.s.observer.survey(h.processes())
		for name := range h.victims {
			if h.seen[name+".life"] != "alive" { // it is said already
				now[name+".limits"] = h.surveyed[name+".limits"]
			}
		}
		span := h.since
		if span != name {
			span += ".." + name
		}
		changed = h.note(span, h.surveyed, now) || changed
		h.surveyed, h.since = now, ""
	}
	if !changed {
		return nil
	}
	return h.restore()
}

// note takes note of what is different, as an effect of name.
func (h *hunt) note(name string, before, now view) bool {
	changed := before.changes(now)
	h.changes += len(changed)
	for _, what := range changed {
		fmt.Fprintf(h.s.out, "# %s as %s changes %s: %.200q, was %.200q\n", name, h.as.name, what, now[what], before[what])
		h.outcomes = append(h.outcomes, ledger.Effect(h.k.name, name, what, h.as.name))
	}
	return len(changed) > 0
}

// restore makes objects and victims anew.
func (h *hunt) restore() error {
	h.s.ipc.remove()
	ipc, err := makeObjects()
	if err != nil {
		return err
	}
	*h.s.ipc = *ipc
	if err := errors.Join(os.RemoveAll(hostFile), makeHostFile()); err != nil {
		return err
	}
	return h.newVictims()
}

// start starts an adversary in the cell.
func (h *hunt) start() (*adversary, error) {
	hear, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	listen, say, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := place{uint32(h.cell.id), h.cell.root, h.as.uid}.command(program, attack.Arg)
	cmd.ExtraFiles = make([]*os.File, attack.SayFD-2)
	cmd.ExtraFiles[attack.HearFD-3], cmd.ExtraFiles[attack.SayFD-3] = hear, say
	err = cmd.Start()
	_, _ = hear.Close(), say.Close()
	if err != nil {
		return nil, fmt.Errorf("start the adversary: %w", err)
	}
	return &adversary{cmd: cmd, in: json.NewEncoder(tell), out: json.NewDecoder(listen), files: []io.Closer{tell, listen}}, nil
}

// end takes an adversary and all that it started away.
func (a *adversary) end(done bool) error {
	for _, f := range a.files {
		_ = f.Close()
	}
	if !done {
		_ = a.cmd.Process.Kill()
	}
	err := a.cmd.Wait()
	_ = unix.Kill(-a.cmd.Process.Pid, unix.SIGKILL)
	if !done {
		return nil
	}
	return err
}
