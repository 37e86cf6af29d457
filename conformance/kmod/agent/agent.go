// Package agent is the suite's program inside a cell, or on the host as root
// or as an ordinary user: this program again. It does what it is told and says
// which errno it got. It judges nothing: that is the cases' part.
package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"golang.org/x/sys/unix"
)

// Arg is the first argument that turns the program into an agent.
const Arg = "kmod-agent"

// operation is a thing that an agent can do.
type operation struct {
	args int // how many arguments
	// apart: a child does it, because it would change the agent or, where the
	// system call does not exist, kill it.
	apart bool
	run   func(a *agent, args []string, r *Reply) error
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

// Main serves requests on standard input. It gives an exit status.
func Main(args []string) int {
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
		if err := a.out.Encode(Reply{}); err != nil {
			return err
		}
	}
	for {
		var q Request
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

func (a *agent) do(q Request) Reply {
	op, ok := operations()[q.Op]
	switch {
	case !ok:
		return failed(fmt.Errorf("no operation %q", q.Op))
	case len(q.Args) != op.args:
		return failed(fmt.Errorf("operation %s takes %d arguments, not %q", q.Op, op.args, q.Args))
	case op.apart || q.UID != 0:
		return a.child(q)
	case q.Node != nil:
		return Reply{Reply: q.Node.Do()}
	}
	var r Reply
	err := op.run(a, q.Args, &r)
	failed := failed(err)
	r.Errno, r.Detail = failed.Errno, failed.Detail
	return r
}

// once carries out one operation and prints its reply: the child's part.
func (a *agent) once(op string, args []string) int {
	q := Request{Op: op, Args: args}
	if op == "node" {
		q.Node = &node.Call{}
		if err := json.Unmarshal([]byte(args[0]), q.Node); err != nil {
			return 1
		}
	}
	r := Reply{}
	if q.Node != nil {
		r = Reply{Reply: q.Node.Do()}
	} else if err := operations()[op].run(a, args, &r); err != nil {
		failed := failed(err)
		r.Errno, r.Detail = failed.Errno, failed.Detail
	}
	if err := a.out.Encode(r); err != nil {
		return 1
	}
	return 0
}

// child lets a child carry out q. One that a signal ends, as SIGSYS does when
// the system call is missing, has the signal's name for an errno.
func (a *agent) child(q Request) Reply {
	args := append([]string{os.Args[0], Arg, "once", q.Op}, q.Args...)
	if q.Node != nil {
		b, err := json.Marshal(q.Node)
		if err != nil {
			return failed(err)
		}
		args = []string{os.Args[0], Arg, "once", q.Op, string(b)}
	}
	r, w, err := Pipe()
	if err != nil {
		return failed(err)
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
		return failed(fmt.Errorf("start child: %w", err))
	}
	var got Reply
	decodeErr := json.NewDecoder(r).Decode(&got)
	ws, err := Wait(pid)
	switch {
	case err != nil:
		return failed(err)
	case ws.Signaled():
		return Reply{Reply: node.Reply{Errno: unix.SignalName(ws.Signal()), Detail: "the child was killed"}}
	case decodeErr != nil:
		return failed(fmt.Errorf("read child's reply: %w", decodeErr))
	}
	return got
}

// Wait reaps a child.
func Wait(pid int) (syscall.WaitStatus, error) {
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
