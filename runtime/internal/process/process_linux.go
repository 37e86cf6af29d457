package process

// Steps of a child's program that only Linux has.

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

const (
	sysGetcwd    = unix.SYS_GETCWD
	rlimInfinity = ^uint64(0)
)

// rlimitNumbers are the limits that NetBSD has too: the emulator knows no
// others.
var rlimitNumbers = map[string]uintptr{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
	"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
	"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
	"RLIMIT_STACK": unix.RLIMIT_STACK,
}

func rlimitCalls(res uintptr, want, got *rlimit) (set, get stage.Step) {
	set = stage.Sys("", unix.SYS_PRLIMIT64, 0, res, uintptr(unsafe.Pointer(want)), 0)
	get = stage.Sys("", unix.SYS_PRLIMIT64, 0, res, 0, uintptr(unsafe.Pointer(got)))
	set.Keep, get.Keep = []any{want}, []any{got}
	return set, get
}

func noNewPrivsSteps() []stage.Step {
	return []stage.Step{stage.Sys("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)}
}

// earlyUserSteps are none: the emulator's seal, which needs root, comes later,
// and leaves the change of the user to a process without the permission too.
func earlyUserSteps(*oci.Process) []stage.Step { return nil }

// lateUserSteps drop to the process's user.
func lateUserSteps(p *oci.Process) []stage.Step {
	u, g := uintptr(p.UID), uintptr(p.GID)
	return append(groupSteps(p),
		stage.Sys(fmt.Sprintf("set process.user.gid %d", p.GID), unix.SYS_SETRESGID, g, g, g),
		stage.Sys(fmt.Sprintf("set process.user.uid %d", p.UID), unix.SYS_SETRESUID, u, u, u))
}

// GroupsSettable is false in a user namespace that forbids setgroups(2),
// where the caller's groups are not mapped and mean nothing. Asked once, by
// a thread that has joined no cell, which may be without a /proc.
var GroupsSettable = sync.OnceValue(setgroupsFile("/proc/self/setgroups").allows)

type setgroupsFile string

func (f setgroupsFile) allows() bool {
	b, _ := sys.ReadFile(string(f)) // a kernel without it denies nothing
	return strings.TrimSpace(string(b)) != "deny"
}

// DefaultSignals undo what the caller ignores, as nohup(1) does with SIGHUP:
// an ignored signal stays so through exec. Handlers need no step, the fork
// clears them.
func DefaultSignals() []stage.Step {
	b, err := sys.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(b), "\nSigIgn:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	ignored, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		return nil
	}
	var steps []stage.Step
	action := new([4]uint64) // struct kernel_sigaction: SIG_DFL, no flags, no mask
	for sig := 1; ignored != 0; sig, ignored = sig+1, ignored>>1 {
		if ignored&1 == 0 {
			continue
		}
		s := stage.Sys(fmt.Sprintf("reset signal %d", sig), unix.SYS_RT_SIGACTION,
			uintptr(sig), uintptr(unsafe.Pointer(action)), 0, 8)
		s.Keep = []any{action}
		steps = append(steps, s)
	}
	return steps
}
