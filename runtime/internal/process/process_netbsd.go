package process

// Steps of a child's program that only NetBSD has.

import (
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

const (
	sysGetcwd    = unix.SYS___GETCWD
	rlimInfinity = uint64(0x7fffffffffffffff)
)

// rlimitNumbers are those of NetBSD's sys/resource.h.
var rlimitNumbers = map[string]uintptr{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
	"RLIMIT_MEMLOCK": 6, "RLIMIT_NPROC": 7, "RLIMIT_NOFILE": 8, "RLIMIT_SBSIZE": 9, "RLIMIT_AS": 10, "RLIMIT_NTHR": 11,
}

func rlimitCalls(res uintptr, want, got *rlimit) (set, get stage.Step) {
	set = stage.Sys("", unix.SYS_SETRLIMIT, res, uintptr(unsafe.Pointer(want)))
	get = stage.Sys("", unix.SYS_GETRLIMIT, res, uintptr(unsafe.Pointer(got)))
	set.Keep, get.Keep = []any{want}, []any{got}
	return set, get
}

// noNewPrivsSteps has nothing to do: the Plan mounts everything nosuid.
func noNewPrivsSteps() []stage.Step { return nil }

// earlyUserSteps set all of the user's ids but one before the cell is entered:
// the kernel asks kauth(9) for each, which denies it to a member of a cell
// without the permission "setid". The effective user id stays 0, because only
// root can enter. (setgid(2) of root sets all three group ids.)
//
// While the process waits for `start` its real user is the container's. A
// process of that user in the cell could end it, as it could end the program
// later. It can't be debugged: it has changed its ids and has not exec'ed.
func earlyUserSteps(p *oci.Process) []stage.Step {
	return append(groupSteps(p),
		stage.Sys(fmt.Sprintf("set process.user.gid %d", p.GID), unix.SYS_SETGID, uintptr(p.GID)),
		stage.Sys(fmt.Sprintf("set process.user.uid %d", p.UID), unix.SYS_SETREUID, uintptr(p.UID), 0))
}

// lateUserSteps give up root: setuid(2) to the real user id sets the effective
// and the saved one as well, and asks nobody.
func lateUserSteps(p *oci.Process) []stage.Step {
	return []stage.Step{stage.Sys(fmt.Sprintf("become process.user.uid %d", p.UID), unix.SYS_SETUID, uintptr(p.UID))}
}

// GroupsSettable tells whether setgroups(2) is possible: root may always.
var GroupsSettable = func() bool { return true }

// sigaction is struct sigaction of NetBSD's sys/signal.h.
type sigaction struct {
	handler uintptr
	mask    [4]uint32
	flags   int32
}

const (
	sysSigaction = 340 // __sigaction_sigtramp(sig, new, old, trampoline, version)
	lastSignal   = 63
)

// DefaultSignals undo what the caller ignores, as nohup(1) does with SIGHUP:
// an ignored signal stays so through exec.
func DefaultSignals() []stage.Step {
	action := new(sigaction) // SIG_DFL
	var steps []stage.Step
	for sig := uintptr(1); sig <= lastSignal; sig++ {
		if sig == uintptr(unix.SIGKILL) || sig == uintptr(unix.SIGSTOP) {
			continue
		}
		s := stage.Sys(fmt.Sprintf("reset signal %d", sig), sysSigaction, sig, uintptr(unsafe.Pointer(action)), 0, 0, 0)
		s.Keep = []any{action}
		s.Tolerate[0] = unix.EINVAL
		steps = append(steps, s)
	}
	return steps
}
