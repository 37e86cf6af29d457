package host

// The observer is tried first: one that sees nothing would find nothing.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/mount"
	"golang.org/x/sys/unix"
)

// deed is something that changes what is looked at.
type deed struct {
	changes string
	do      func(s *suite, pid int) error
	undo    func(s *suite) error // nil: the next victim and objects are new
}

func call(nr uintptr, args ...uintptr) error {
	a := append(args, 0, 0, 0, 0, 0, 0)
	if _, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// deeds are done by the host's root, in turn; the last one ends the victim.
var deeds = []deed{
	{"victim.nice", func(_ *suite, pid int) error { return unix.Setpriority(unix.PRIO_PROCESS, pid, 5) }, nil},
	{"victim.limits", func(_ *suite, pid int) error {
		const ctlProc, limit, files, soft = 10, 2, 9, 1
		_, err := sysctlCall([]int32{ctlProc, int32(pid), limit, files, soft}, nil, binary.NativeEndian.AppendUint64(nil, 50))
		return err
	}, nil},
	{"victim.trace", func(s *suite, pid int) error {
		file := append([]byte(filepath.Join(s.dir, "trace")), 0)
		if err := os.WriteFile(string(file[:len(file)-1]), nil, 0o600); err != nil {
			return err
		}
		const set, syscalls = 0, 1 << 1
		return call(unix.SYS_KTRACE, uintptr(unsafe.Pointer(&file[0])), set, syscalls, uintptr(pid))
	}, nil},
	{"victim.scheduling", func(_ *suite, pid int) error {
		const setparam, roundRobin = 346, 2
		priority := int32(10)
		return call(setparam, uintptr(pid), 0, roundRobin, uintptr(unsafe.Pointer(&priority)))
	}, nil},
	{"ipc.sem666", func(s *suite, _ int) error {
		const setVal = 8
		value := uintptr(7)
		return call(sysSemctl, uintptr(s.ipc.ids["sem666"]), 0, setVal, uintptr(unsafe.Pointer(&value)))
	}, nil},
	{"ipc.shm600", func(s *suite, _ int) error { return call(sysShmctl, uintptr(s.ipc.ids["shm600"]), ipcRemove) }, nil},
	{"machine.hostfile", func(*suite, int) error { return os.Chmod(hostFile, 0o600) }, func(*suite) error { return os.Chmod(hostFile, 0o644) }},
	{"machine.mounts", func(s *suite, _ int) error { return mount.Tmpfs(s.dir, 0o755) }, func(s *suite) error { return unix.Unmount(s.dir, 0) }},
	{"sysctl.kern.hostname", func(*suite, int) error { return setName("changed") }, func(*suite) error { return setName("cells") }},
	{"victim.life", func(_ *suite, pid int) error { return unix.Kill(pid, unix.SIGTERM) }, nil},
}

func setName(name string) error {
	const ctlKern, hostname = 1, 10
	_, err := sysctlCall([]int32{ctlKern, hostname}, nil, []byte(name))
	return err
}

// How often and how long an effect that does not come at once is waited for.
const (
	looks = 200
	pause = 50 * time.Millisecond
)

// sees tries whether the observer sees each deed.
func (s *suite) sees() (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	x, err := place{0, "/", 0}.idle(self)
	if err != nil {
		return err
	}
	defer func() {
		x.end()
		s.ipc.remove()
		fresh, makeErr := makeObjects()
		*s.ipc = *fresh
		err = errors.Join(err, makeErr)
	}()
	pids := map[string]int64{"victim": int64(x.cmd.Process.Pid)}
	all := func() view {
		v := s.observer.look(pids)
		for name, value := range s.observer.survey(pids) {
			v[name] = value
		}
		return v
	}
	for _, d := range deeds {
		before := all()
		if err := d.do(s, x.cmd.Process.Pid); err != nil {
			return fmt.Errorf("change %s: %w", d.changes, err)
		}
		changed := before.changes(all())
		for range looks {
			if slices.Contains(changed, d.changes) {
				break
			}
			time.Sleep(pause) // a process takes its signals when it runs
			changed = before.changes(all())
		}
		if d.undo != nil {
			if err := d.undo(s); err != nil {
				return fmt.Errorf("change %s back: %w", d.changes, err)
			}
		}
		if !slices.Contains(changed, d.changes) {
			return fmt.Errorf("it does not see that %s changes: only %q", d.changes, changed)
		}
	}
	return nil
}
