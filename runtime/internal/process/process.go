// Package process makes processes of a cell. A child is forked into a program
// of system calls (kmod/stage) that is plain data: no Go runs in it. Here are the
// pieces of such programs, the link between parent and child, and the child
// itself as its parent sees it.
//
// It never knows which container a process is for, and opens no path inside a
// root but through inroot.
package process

// The second half of a child's program: entering the cell, and from "released"
// to exec. It is the same for a container's first process and for exec.

import (
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/nofile"
	"golang.org/x/sys/unix"
)

// MemberSteps make the child a member of its cell. What root of the host may
// do, and a member perhaps not, comes before: a cell without the permission
// "resource" or "setid" can still have a higher limit or another user. All of
// it comes before the container counts as created, so that `create` can say
// what was refused.
func MemberSteps(p *oci.Process, e kmod.Entry) ([]stage.Step, error) {
	early := *p
	early.Rlimits, _ = limitsAtBirth(p.Rlimits, e)
	steps, err := limitSteps(&early)
	if err != nil {
		return nil, err
	}
	steps = append(steps, earlyUserSteps(p)...)
	return append(steps, e.Steps...), nil
}

// limitSteps set what can be refused for want of a right.
func limitSteps(p *oci.Process) ([]stage.Step, error) {
	var steps []stage.Step
	if p.Umask != nil {
		steps = append(steps, stage.Sys(fmt.Sprintf("umask %04o", *p.Umask), unix.SYS_UMASK, uintptr(*p.Umask)))
	}
	if p.Nice != nil {
		steps = append(steps, stage.Sys(fmt.Sprintf("set nice value %d", *p.Nice), unix.SYS_SETPRIORITY, 0, 0, uintptr(*p.Nice)))
	}
	limits, err := rlimitSteps(p.Rlimits)
	return append(steps, limits...), err
}

// Identity is how a child becomes the process: it is sealed and made the
// user's, and then runs the program. Between the two it may wait, in sight of
// the cell's members.
type Identity struct{ Seal, Program []stage.Step }

// Steps are all of them.
func (i *Identity) Steps() []stage.Step { return slices.Concat(i.Seal, i.Program) }

// IdentitySteps seal the process, make it the user's and exec it. What needs
// root comes first. late are variables of the environment that are known later.
func IdentitySteps(p *oci.Process, e kmod.Entry, s Streams, late ...*byte) (*Identity, error) {
	exec, err := execSteps(p, late)
	if err != nil {
		return nil, err
	}
	i, err := HookSteps(p, e, exec...)
	if err != nil || p.Terminal {
		return i, err
	}
	null, err := s.nullSteps()
	i.Seal = append(null, i.Seal...)
	return i, err
}

// HookSteps are IdentitySteps for a hook's program, which is as much in the
// hands of the container's user as the process itself: it has the same rights
// and starts in the same directory. Its standard streams are the hook's own.
func HookSteps(p *oci.Process, e kmod.Entry, program ...stage.Step) (*Identity, error) {
	cwd := newCwd(p.Cwd)
	before, err := cwd.change(true)
	if err != nil {
		return nil, err
	}
	after, err := cwd.change(false)
	if err != nil {
		return nil, err
	}
	_, late := limitsAtBirth(p.Rlimits, e)
	limits, err := rlimitSteps(late)
	if err != nil {
		return nil, err
	}
	return &Identity{
		Seal:    slices.Concat(before, sealSteps(p, e), limits),
		Program: slices.Concat(after, []stage.Step{cwd.done()}, program),
	}, nil
}

// sealSteps take from the process what the cell does not give, and make it the
// user's. Nothing of the host's rights is left when it comes in sight.
func sealSteps(p *oci.Process, e kmod.Entry) []stage.Step {
	var steps []stage.Step
	if p.NoNewPrivs {
		steps = noNewPrivsSteps()
	}
	steps = slices.Concat(steps, e.Seal, lateUserSteps(p))
	if p.UID == 0 {
		steps = append(steps, e.Lower...)
	}
	return append(steps, e.Birth...)
}

// execSteps exec args[0]. A name without a slash is tried in each directory
// of PATH, as execvp(3) does: when the child is forked, the mounts that may
// hold the program are not there yet.
func execSteps(p *oci.Process, late []*byte) ([]stage.Step, error) {
	var steps []stage.Step
	for _, c := range candidates(p.Args[0], p.Env) {
		s, err := stage.Exec(c, p.Args, p.Env, late...)
		if err != nil {
			return nil, err
		}
		s.Tolerate = [3]syscall.Errno{unix.ENOENT, unix.ENOTDIR, unix.EACCES}
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return nil, notInPath(p.Args[0])
	}
	steps[len(steps)-1].Tolerate = [3]syscall.Errno{} // the last one's error is reported
	return steps, nil
}

// groupSteps set the supplementary groups, even to none: none of the caller's
// own may stay (CVE-2022-2989 and its kin).
func groupSteps(p *oci.Process) []stage.Step {
	if len(p.AdditionalGIDs) == 0 && !GroupsSettable() {
		return nil
	}
	groups := make([]uint32, max(len(p.AdditionalGIDs), 1))
	copy(groups, p.AdditionalGIDs)
	s := stage.Sys(fmt.Sprintf("set supplementary groups %v", p.AdditionalGIDs), unix.SYS_SETGROUPS,
		uintptr(len(p.AdditionalGIDs)), uintptr(unsafe.Pointer(&groups[0])))
	s.Keep = []any{groups}
	return []stage.Step{s}
}

// rlimit is struct rlimit as both kernels' 64-bit calls know it.
type rlimit struct{ cur, max uint64 }

// rlimitSteps set each limit and compare it with what the kernel kept:
// NetBSD clamps silently, and the spec wants exactly the value or an error.
func rlimitSteps(limits []oci.Rlimit) ([]stage.Step, error) {
	var steps []stage.Step
	for _, l := range limits {
		res, ok := rlimitNumbers[l.Type]
		if !ok {
			return nil, fmt.Errorf("process.rlimits: %s does not exist on this system", l.Type)
		}
		want, got := &rlimit{kernelLimit(l.Soft), kernelLimit(l.Hard)}, new(rlimit)
		name := fmt.Sprintf("set process.rlimits %s to %d:%d", l.Type, l.Soft, l.Hard)
		set, get := rlimitCalls(res, want, got)
		set.Name, get.Name = name, name
		steps = append(steps, set, get, stage.Step{
			Name: name + ": the kernel kept another value", Kind: stage.Same,
			Args: [6]uintptr{uintptr(unsafe.Pointer(want)), uintptr(unsafe.Pointer(got)), unsafe.Sizeof(*want)},
			Keep: []any{want, got},
		})
	}
	return steps, nil
}

// limitsAtBirth tells which limits a child gets early, with root's rights, and
// which late. One that is born twice is two processes of the user's for a moment,
// which a limit on them would refuse: it comes late, and lowering it needs no
// right. The highest limit that is needed comes early.
func limitsAtBirth(limits []oci.Rlimit, e kmod.Entry) (early, late []oci.Rlimit) {
	const processes = "RLIMIT_NPROC"
	at := slices.IndexFunc(limits, func(l oci.Rlimit) bool { return l.Type == processes })
	var own unix.Rlimit
	if at < 0 || len(e.Birth) == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &own) != nil {
		return limits, nil
	}
	most := max(limits[at].Hard, uint64(own.Max)) // both have infinity as their highest number
	early = slices.Clone(limits)
	early[at] = oci.Rlimit{Type: processes, Soft: most, Hard: most}
	return early, limits[at : at+1]
}

// kernelLimit translates OCI's infinity (2^64-1) to the kernel's.
func kernelLimit(v uint64) uint64 {
	if v == kmod.Unlimited {
		return rlimInfinity
	}
	return v
}

const nofileType = "RLIMIT_NOFILE"

// WithNofile adds RLIMIT_NOFILE unless the config sets it: what is given, or else
// (nil) as our caller had it. The Go runtime raises its own soft limit at start,
// and that must not become the container's.
func WithNofile(limits []oci.Rlimit, given *oci.Rlimit) []oci.Rlimit {
	for _, l := range limits {
		if l.Type == nofileType {
			return limits
		}
	}
	if given == nil {
		given = callersNofile()
	}
	if given == nil {
		return limits
	}
	return append(limits[:len(limits):len(limits)], oci.Rlimit{Type: nofileType, Soft: given.Soft, Hard: given.Hard})
}

// callersNofile is nil when the limit has not been raised since.
func callersNofile() *oci.Rlimit {
	was, ok := nofile.Inherited()
	var now unix.Rlimit
	if !ok || unix.Getrlimit(unix.RLIMIT_NOFILE, &now) != nil || uint64(now.Cur) == was.Soft {
		return nil
	}
	return &oci.Rlimit{Soft: was.Soft, Hard: was.Hard}
}
