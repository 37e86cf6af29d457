package kmod

// Members: children that enter a cell, and then run the agent or only wait.
// Agents on the host have the same handle.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// entry says how a child enters.
type entry struct {
	root string // its root directory; "" is the world's
	uid  int    // whom it becomes after it has entered
	// then is what it does as a member: an agent, or to wait.
	then  []stage.Step
	files [2]*os.File // standard input, output and error; nil is /dev/null
}

// enter forks a child that becomes a member. The error says which step
// failed; then there is no child.
func (w *world) enter(id kmod.ID, e entry) (pid int, err error) {
	if e.root == "" {
		e.root = w.root
	}
	w.mu.Lock()
	first := !w.entered[id]
	w.mu.Unlock()
	type forked struct {
		pid int
		err error
	}
	done := make(chan forked, 1)
	go func() {
		// Never unlocked: the thread may belong to the cell's namespaces, and
		// ends with the goroutine.
		runtime.LockOSThread()
		pid, err := w.fork(id, e, first)
		done <- forked{pid, err}
	}()
	f := <-done
	if f.err != nil {
		return 0, f.err
	}
	pid = f.pid
	w.mu.Lock()
	w.kids[pid], w.entered[id] = true, true
	w.mu.Unlock()
	if first {
		if err := w.k.Entered(id, pid); err != nil {
			return pid, fmt.Errorf("record first process: %w", err)
		}
	}
	return pid, nil
}

// fork makes the child and waits until it is a member.
func (w *world) fork(id kmod.ID, e entry, first bool) (int, error) {
	entry, err := w.k.Enter(id)
	if err != nil {
		return 0, err
	}
	defer entry.Close()
	root, err := unix.Open(e.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open root: %w", err)
	}
	defer func() { _ = unix.Close(root) }()
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer func() { _ = unix.Close(null) }()
	if err := entry.Thread(); err != nil {
		return 0, err
	}
	if first {
		if err := attach(e.root); err != nil {
			return 0, err
		}
	}
	report, w2, err := agent.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = report.Close() }()
	p := &stage.Program{Fork: entry.Fork, ExitCode: 99, Report: [2]int{int(w2.Fd())}}
	p.Steps = append(stdio(null, e.files), rootSteps(root, first)...)
	p.Steps = append(append(p.Steps, entry.Steps...), entry.Seal...)
	p.Steps = append(p.Steps, userSteps(e.uid)...)
	if e.uid == 0 {
		p.Steps = append(p.Steps, entry.Lower...)
	}
	p.Steps = append(p.Steps, entry.Birth...)
	p.Steps = append(p.Steps, stage.Mark("become a member", len(p.Steps), int(w2.Fd())))
	// A child that executes nothing would keep all that this process has open,
	// locks and the ends of other children's pipes among them.
	p.Steps = append(p.Steps, closeAll())
	p.Steps = append(p.Steps, e.then...)
	pid, err := p.Start()
	_ = w2.Close()
	if err != nil {
		return 0, err
	}
	err = started(report, w.Limit(patience), p.Names())
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	pid, settled := p.Settle(pid)
	if err = errors.Join(err, settled); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = agent.Wait(pid)
		return 0, err
	}
	return pid, nil
}

// started waits for the mark, or for the step that failed before it.
func started(report *os.File, limit time.Duration, names []string) error {
	b, err := agent.Within(limit, func() ([]byte, error) {
		b := make([]byte, stage.RecordSize)
		_, err := report.Read(b)
		return b, err
	})
	if err != nil {
		return fmt.Errorf("wait for the child: %w", err)
	}
	rec, err := stage.ParseRecord(b)
	if err != nil {
		return err
	}
	return rec.Err(names)
}

// stdio are the steps that give the child its standard descriptors.
func stdio(null int, files [2]*os.File) []stage.Step {
	steps := make([]stage.Step, 0, 6)
	for i, f := range []*os.File{files[0], files[1], files[1]} {
		fd := uintptr(null)
		if f != nil {
			fd = f.Fd()
		}
		s := stage.Sys("keep a descriptor", unix.SYS_FCNTL, fd, unix.F_DUPFD_CLOEXEC, 3)
		s.Save = uint8(i + 1)
		steps = append(steps, s)
	}
	for i := range 3 {
		steps = append(steps, dupStep(i+1, i))
	}
	return steps
}

func userSteps(uid int) []stage.Step {
	if uid == 0 {
		return nil
	}
	id := uintptr(uid)
	return []stage.Step{
		stage.Sys("set groups", unix.SYS_SETGROUPS, 0, 0), stage.Sys("set group", unix.SYS_SETGID, id), stage.Sys("set user", unix.SYS_SETUID, id),
	}
}

// address is where a heap object lies; a step's Keep holds the object.
func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// waiter is a member that does nothing until it is told to end.
type waiter struct {
	w    *world
	pid  int
	gate *os.File
}

// waiting makes a member that waits. code is its exit status.
func (w *world) waiting(id kmod.ID, e entry, code int) (*waiter, error) {
	r, gate, err := agent.Pipe()
	if err != nil {
		return nil, err
	}
	e.files[0] = r
	e.then = append([]stage.Step{stage.Await("wait to be told to end", 0)}, exitSteps(code)...)
	pid, err := w.enter(id, e)
	_ = r.Close()
	if err != nil {
		_ = gate.Close()
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gates = append(w.gates, gate)
	return &waiter{w, pid, gate}, nil
}

// waiter makes a member that waits; the case ends if it can't.
func (w *world) waiter(id kmod.ID) *waiter {
	x, err := w.waiting(id, entry{}, 0)
	w.Must("enter cell", err)
	return x
}

// letGo lets the member end, and does not reap it.
func (x *waiter) letGo() {
	_, err := x.gate.Write([]byte{1})
	_ = x.gate.Close()
	x.w.Must("let a member end", err)
}

// end lets the member end and reaps it.
func (x *waiter) end() syscall.WaitStatus {
	x.letGo()
	return x.w.reap(x.pid)
}

// reap waits for a child; the case ends if it does not end.
func (w *world) reap(pid int) syscall.WaitStatus {
	var ws syscall.WaitStatus
	w.Eventually(func() bool {
		got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			w.Fatalf("wait for process %d: %v", pid, err)
		}
		return got == pid
	}, "process %d has not ended", pid)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.kids, pid)
	return ws
}

// member is an agent, in a cell or on the host.
type member struct {
	w    *world
	pid  int // as the host sees it
	conn *agent.Conn
	cmd  *exec.Cmd // of one on the host

	closed bool
}

// patience is how long an agent may take to answer.
const patience = 15 * time.Second

// agentEnv is its environment.
var agentEnv = []string{"GOMAXPROCS=2", "HOME=/", "GOTRACEBACK=single"}

// agent makes a member that runs the agent; the case ends if it can't.
func (w *world) agent(id kmod.ID, e entry) *member {
	m, err := w.tryAgent(id, e)
	w.Must("enter cell with an agent", err)
	return m
}

func (w *world) tryAgent(id kmod.ID, e entry) (*member, error) {
	conn, theirs, err := agent.NewConn()
	if err != nil {
		return nil, err
	}
	defer func() { _, _ = theirs[0].Close(), theirs[1].Close() }()
	x, err := stage.Exec("/probe", []string{"/probe", agent.Arg}, agentEnv)
	if err != nil {
		return nil, err
	}
	e.files, e.then = theirs, []stage.Step{x}
	pid, err := w.enter(id, e)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return w.keep(&member{w: w, pid: pid, conn: conn}), nil
}

// onHost makes an agent on the host, of root or another user. Its root
// directory is the cells', so it finds the same files as a member does.
func (w *world) onHost(uid int) *member { return w.hostAgent("/probe", w.root, uid) }

// unconfined makes an agent on the host that sees all of it.
func (w *world) unconfined(uid int) *member { return w.hostAgent(w.HostProbe(), "", uid) }

func (w *world) hostAgent(program, root string, uid int) *member {
	conn, theirs, err := agent.NewConn()
	w.Must("make pipes", err)
	defer func() { _, _ = theirs[0].Close(), theirs[1].Close() }()
	cmd := &exec.Cmd{
		Path: program, Args: []string{program, agent.Arg}, Env: agentEnv, Dir: "/",
		Stdin: theirs[0], Stdout: theirs[1], Stderr: theirs[1],
		SysProcAttr: &syscall.SysProcAttr{Chroot: root, Setpgid: true},
	}
	if uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	w.Must("start an agent on the host", cmd.Start())
	return w.keep(&member{w: w, pid: cmd.Process.Pid, conn: conn, cmd: cmd})
}

func (w *world) keep(m *member) *member {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agents = append(w.agents, m)
	return m
}

// close ends an agent. Members of cells are reaped with the case's children.
func (m *member) close() {
	if m.closed {
		return
	}
	m.closed = true
	m.conn.Close()
	if m.cmd == nil {
		_ = unix.Kill(m.pid, unix.SIGKILL)
		return
	}
	_ = unix.Kill(-m.pid, unix.SIGKILL) // with its children
	_ = m.cmd.Wait()
}

// try tells the agent to do something.
func (m *member) try(op string, args ...string) agent.Reply {
	return m.conn.Ask(agent.Request{Op: op, Args: args}, m.w.Limit(patience))
}

// as lets a child with another user id do it.
func (m *member) as(uid int, op string, args ...string) agent.Reply {
	return m.conn.Ask(agent.Request{Op: op, Args: args, UID: uid}, m.w.Limit(patience))
}

// node makes a raw call of one of the module's nodes.
func (m *member) node(q node.Call) node.Reply { return m.nodeAs(0, q) }

// nodeAs makes it with another user id.
func (m *member) nodeAs(uid int, q node.Call) node.Reply {
	return m.conn.Ask(agent.Request{Op: "node", Node: &q, UID: uid}, m.w.Limit(patience)).Reply
}

// want tells the agent to do something and checks what comes of it.
func (m *member) want(result, op string, args ...string) agent.Reply {
	r := m.try(op, args...)
	m.check(r, result, op, args)
	return r
}

// wantAs is want for another user id.
func (m *member) wantAs(uid int, result, op string, args ...string) agent.Reply {
	r := m.as(uid, op, args...)
	m.check(r, result, "as user "+strconv.Itoa(uid)+": "+op, args)
	return r
}

func (m *member) check(r agent.Reply, result, op string, args []string) {
	if r.Result() != result {
		m.w.Errorf("%s %q = %s (%s); want %s", op, args, r.Result(), r.Detail, result)
	}
}

// must tells the agent to do something that the case can't go on without.
func (m *member) must(op string, args ...string) agent.Reply {
	r := m.try(op, args...)
	if r.Errno != "" {
		m.w.Fatalf("%s %q = %s (%s)", op, args, r.Errno, r.Detail)
	}
	return r
}

// pidInside is the agent's process id as it sees it itself.
func (m *member) pidInside() int { return m.must("who").Pids[0] }

// end tells an agent in a cell to exit with a status, and reaps it.
func (m *member) end(code int) syscall.WaitStatus {
	m.tell("exit", strconv.Itoa(code))
	return m.w.reap(m.pid)
}

// tell asks the agent for what has no answer: its children may hold its
// output open after its end.
func (m *member) tell(op string, args ...string) {
	m.w.Must("tell the agent "+op, m.conn.Tell(agent.Request{Op: op, Args: args}))
}

// exitSteps end a member at once.
func exitSteps(code int) []stage.Step {
	return []stage.Step{stage.Sys("end", sysExit, uintptr(code))}
}
