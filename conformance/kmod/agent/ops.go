package agent

// The operations: what an agent can be told to do. Those that the systems
// spell differently are in ops_linux.go and ops_netbsd.go.

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/conformance/kmod/node"
	"github.com/netbsd-cells/runcell/kmod/signame"
	"golang.org/x/sys/unix"
)

// operations is everything that an agent can do.
var operations = sync.OnceValue(func() map[string]operation {
	ops := map[string]operation{
		"who": {0, false, opWho}, "exec": {0, false, opExec}, "setuid": {1, false, opSetuid},
		"exit": {1, false, opExit}, "trap": {1, false, opTrap}, "caught": {1, false, opCaught},
		"kill": {2, false, opKill}, "fork": {1, false, opFork}, "spawn": {0, false, opSpawn}, "end": {1, false, opEnd},
		"relays": {1, false, opRelays}, "nap": {0, false, opNap},
		"list": {1, false, opList}, "node": {0, false, opNode}, "admit": {2, false, opAdmit},
		"open": {2, false, opOpen}, "read": {1, false, opRead}, "write": {1, false, opWrite},
		"descriptors": {0, false, opDescriptors}, "nice": {2, false, opNice}, "priority": {1, false, opPriority},
	}
	maps.Copy(ops, socketOps())
	maps.Copy(ops, powerOps())
	maps.Copy(ops, systemOps())
	return ops
})

// opWho tells who the agent is: pid, uid, euid, gid, egid, umask, cwd.
func opWho(_ *agent, _ []string, r *Reply) error {
	cwd, err := unix.Getwd()
	mask := unix.Umask(0)
	unix.Umask(mask)
	r.Pids = []int{os.Getpid()}
	r.Text = fmt.Sprintf("uid %d %d gid %d %d umask %03o cwd %s", os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), mask, cwd)
	return err
}

// opExec executes the agent anew, in the same process.
func opExec(*agent, []string, *Reply) error {
	return unix.Exec(os.Args[0], []string{os.Args[0], Arg, "again"}, os.Environ())
}

// opSetuid gives up the user id for good, the group id with it.
func opSetuid(_ *agent, args []string, _ *Reply) error {
	uid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(uid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}

func opExit(_ *agent, args []string, _ *Reply) error {
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

func opTrap(a *agent, args []string, _ *Reply) error {
	sig, err := signame.Parse(args[0])
	if err == nil {
		a.trap(sig)
	}
	return err
}

// opCaught counts a trapped signal, and waits for the first: at most some
// seconds, since its sender is not waited for.
func opCaught(a *agent, args []string, r *Reply) error {
	for range 2000 {
		a.mu.Lock()
		r.Size = a.caught["SIG"+args[0]]
		a.mu.Unlock()
		if r.Size > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func opKill(_ *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	sig, err := signame.Parse(args[1])
	if err != nil {
		return err
	}
	return unix.Kill(pid, sig)
}

// opFork makes up to N children that wait, and stops at the first error.
func opFork(a *agent, args []string, r *Reply) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for range n {
		pid, errno := fork()
		if errno != 0 {
			return errno
		}
		a.kids = append(a.kids, pid)
		r.Pids = append(r.Pids, pid)
	}
	return nil
}

// opSpawn makes a child through exec, as a shell would, that waits.
func opSpawn(a *agent, _ []string, r *Reply) error {
	argv := []string{os.Args[0], Arg, "once", "nap"}
	pid, err := syscall.ForkExec(os.Args[0], argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 2, 2}})
	if err != nil {
		return err
	}
	a.kids = append(a.kids, pid)
	r.Pids = []int{pid}
	return nil
}

// opNap waits to be killed.
func opNap(*agent, []string, *Reply) error {
	time.Sleep(time.Hour)
	return nil
}

// opEnd kills a child and reaps it.
func opEnd(a *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	a.forget(pid)
	_, err = Wait(pid)
	return err
}

// opRelays starts N processes that fork and end without a pause, and reaps
// what becomes the agent's own.
func opRelays(_ *agent, args []string, _ *Reply) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	go func() {
		for {
			if _, err := Wait(-1); err != nil {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	for range n {
		if errno := relay(); errno != 0 {
			return errno
		}
	}
	return nil
}

// opList asks the kernel interface for its cells.
func opList(_ *agent, args []string, r *Reply) error {
	client, err := node.Open(args[0])
	if err != nil {
		return err
	}
	cells, err := client.List()
	for _, c := range cells {
		r.Pids = append(r.Pids, int(c.ID))
	}
	return err
}

// opNode is carried out before it gets here.
func opNode(*agent, []string, *Reply) error { return errors.New("the request has no call") }

// opAdmit makes the agent a member the way the published tools do: change the
// root directory, then write the cell's id.
func opAdmit(_ *agent, args []string, _ *Reply) error {
	id, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return err
	}
	if err := unix.Chroot(args[0]); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if err := node.Enter(uint32(id)); err != nil {
		return err
	}
	os.Args[0] = "/probe" // where this program is from now on
	return nil
}

func openMode(mode string) int {
	return map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR}[mode]
}

func opOpen(_ *agent, args []string, _ *Reply) error {
	fd, err := unix.Open(args[0], openMode(args[1])|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// opRead reads at most 16 bytes.
func opRead(_ *agent, args []string, r *Reply) error {
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	b := make([]byte, 16)
	n, err := unix.Read(fd, b)
	r.Bytes, r.Size = b[:max(n, 0)], n
	return err
}

func opWrite(_ *agent, args []string, r *Reply) error {
	fd, err := unix.Open(args[0], unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	r.Size, err = unix.Write(fd, []byte("hello"))
	return err
}

// opDescriptors lists the open descriptors that the agent was given.
func opDescriptors(_ *agent, _ []string, r *Reply) error {
	for fd := range 64 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			r.Pids = append(r.Pids, fd)
		}
	}
	return nil
}

func opNice(_ *agent, args []string, _ *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	nice, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, pid, nice)
}

func opPriority(_ *agent, args []string, r *Reply) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	r.Size, err = unix.Getpriority(unix.PRIO_PROCESS, pid)
	return err
}

// terminal is a pseudo-terminal with both ends open.
type terminal struct {
	master, slave int
	name          string // the slave's
}

func (t *terminal) close() { _, _ = unix.Close(t.master), unix.Close(t.slave) }

// opPty makes a terminal, uses it, and opens it a second time: the kernel asks
// about a terminal that is in use.
func opPty(*agent, []string, *Reply) error {
	t, err := openPty()
	if err != nil {
		return err
	}
	defer t.close()
	if _, err := unix.Write(t.master, []byte("line\n")); err != nil {
		return err
	}
	b := make([]byte, 16)
	n, err := unix.Read(t.slave, b)
	if err == nil && !bytes.Equal(b[:n], []byte("line\n")) {
		err = fmt.Errorf("the terminal gave %q", b[:n])
	}
	if err != nil {
		return err
	}
	again, err := unix.Open(t.name, ptyFlags, 0)
	if err != nil {
		return fmt.Errorf("open %s again: %w", t.name, err)
	}
	return unix.Close(again)
}

const ptyFlags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
