package kmod

// The agent: this program again, inside a cell, or on the host as root or as
// an ordinary user. It does what it is told and says which errno it got.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// AgentArg is the first argument that turns the program into an agent.
const AgentArg = "kmod-agent"

// request is what an agent is told, a line of JSON.
type request struct {
	Op   string   `json:"op"`
	Args []string `json:"args,omitempty"`
	// UID makes a child with this user id carry out the operation; 0 leaves
	// it to the operation.
	UID  int       `json:"uid,omitempty"`
	Node *nodeCall `json:"node,omitempty"`
}

// reply is what came of it.
type reply struct {
	Errno  string `json:"errno,omitempty"` // empty is success
	Detail string `json:"detail,omitempty"`
	Text   string `json:"text,omitempty"`
	Pids   []int  `json:"pids,omitempty"`
	Bytes  []byte `json:"bytes,omitempty"`
	Size   int    `json:"size,omitempty"`
}

// result is the errno's name, or "ok".
func (r reply) result() string {
	if r.Errno == "" {
		return "ok"
	}
	return r.Errno
}

// What stands in Errno when there was none.
const (
	errnoDied  = "died"  // the agent did not answer
	errnoOther = "other" // Detail says more
)

func replyTo(err error) reply {
	var errno syscall.Errno
	switch {
	case err == nil:
		return reply{}
	case errors.As(err, &errno):
		name := unix.ErrnoName(errno)
		if name == "" {
			name = strconv.Itoa(int(errno))
		}
		return reply{Errno: name, Detail: err.Error()}
	}
	return reply{Errno: errnoOther, Detail: err.Error()}
}

// operation is a thing that an agent can do.
type operation struct {
	args int // how many arguments
	// apart: a child does it, because it would change the agent or, where the
	// system call does not exist, kill it.
	apart bool
	run   func(a *agent, args []string, r *reply) error
}

// agent is the state that operations share.
type agent struct {
	in     *json.Decoder
	out    *json.Encoder
	kids   []int      // children that wait
	held   []*os.File // sockets and terminals that stay open
	mu     sync.Mutex
	caught map[string]int // signals
}

// Agent serves requests on standard input. It gives an exit status.
func Agent(args []string) int {
	a := &agent{in: json.NewDecoder(os.Stdin), out: json.NewEncoder(os.Stdout), caught: map[string]int{}}
	if len(args) > 1 && args[0] == "once" {
		return a.once(args[1], args[2:])
	}
	spareThreads()
	if err := a.serve(len(args) == 1 && args[0] == "again"); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 1
	}
	return 0
}

// serve answers until the input ends. An agent that has just executed itself
// anew answers the request that made it do so.
func (a *agent) serve(answer bool) error {
	if answer {
		if err := a.out.Encode(reply{}); err != nil {
			return err
		}
	}
	for {
		var q request
		err := a.in.Decode(&q)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if err := a.out.Encode(a.do(q)); err != nil {
			return fmt.Errorf("write reply: %w", err)
		}
	}
}

func (a *agent) do(q request) reply {
	op, ok := operations()[q.Op]
	switch {
	case !ok:
		return replyTo(fmt.Errorf("no operation %q", q.Op))
	case len(q.Args) != op.args:
		return replyTo(fmt.Errorf("operation %s takes %d arguments, not %q", q.Op, op.args, q.Args))
	case op.apart || q.UID != 0:
		return a.child(q)
	case q.Node != nil:
		return q.Node.do()
	}
	var r reply
	err := op.run(a, q.Args, &r)
	failed := replyTo(err)
	r.Errno, r.Detail = failed.Errno, failed.Detail
	return r
}

// once carries out one operation and prints its reply: the child's part.
func (a *agent) once(op string, args []string) int {
	q := request{Op: op, Args: args}
	if op == "node" {
		q.Node = &nodeCall{}
		if err := json.Unmarshal([]byte(args[0]), q.Node); err != nil {
			return 1
		}
	}
	r := reply{}
	if q.Node != nil {
		r = q.Node.do()
	} else if err := operations()[op].run(a, args, &r); err != nil {
		failed := replyTo(err)
		r.Errno, r.Detail = failed.Errno, failed.Detail
	}
	if err := a.out.Encode(r); err != nil {
		return 1
	}
	return 0
}

// child lets a child carry out q. One that a signal ends, as SIGSYS does when
// the system call is missing, has the signal's name for an errno.
func (a *agent) child(q request) reply {
	args := append([]string{os.Args[0], AgentArg, "once", q.Op}, q.Args...)
	if q.Node != nil {
		b, err := json.Marshal(q.Node)
		if err != nil {
			return replyTo(err)
		}
		args = []string{os.Args[0], AgentArg, "once", q.Op, string(b)}
	}
	r, w, err := pipe()
	if err != nil {
		return replyTo(err)
	}
	defer func() { _ = r.Close() }()
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, w.Fd(), 2}}
	if q.UID != 0 {
		id := uint32(q.UID)
		attr.Sys = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	}
	pid, err := syscall.ForkExec(os.Args[0], args, attr)
	_ = w.Close()
	if err != nil {
		return replyTo(fmt.Errorf("start child: %w", err))
	}
	var got reply
	decodeErr := json.NewDecoder(r).Decode(&got)
	ws, err := wait(pid)
	switch {
	case err != nil:
		return replyTo(err)
	case ws.Signaled():
		return reply{Errno: unix.SignalName(ws.Signal()), Detail: "the child was killed"}
	case decodeErr != nil:
		return replyTo(fmt.Errorf("read child's reply: %w", decodeErr))
	}
	return got
}

// wait reaps a child.
func wait(pid int) (syscall.WaitStatus, error) {
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &ws, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return ws, err
		}
	}
}

// spareThreads makes the threads that the Go runtime may want later: at a
// cell's process limit there are none to be had, and it would crash.
func spareThreads() {
	const spare = 8
	var ready, done sync.WaitGroup
	ready.Add(spare)
	for range spare {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ready.Done()
			ready.Wait()
		})
	}
	done.Wait()
}

// forget takes a pid out of the children that wait.
func (a *agent) forget(pid int) {
	a.kids = slices.DeleteFunc(a.kids, func(kid int) bool { return kid == pid })
}

// trap counts a signal instead of dying of it.
func (a *agent) trap(sig syscall.Signal) {
	c := make(chan os.Signal, 64)
	signal.Notify(c, sig)
	go func() {
		for s := range c {
			a.mu.Lock()
			a.caught[unix.SignalName(s.(syscall.Signal))]++
			a.mu.Unlock()
		}
	}()
}

// errnoNamed is the number of an errno's name.
func errnoNamed(name string) error {
	for n := range unix.Errno(200) {
		if unix.ErrnoName(n) == name {
			return n
		}
	}
	return errors.New(name)
}
