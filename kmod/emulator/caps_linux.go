package emulator

// Capabilities: what a cell's root keeps of root's power on Linux.

import (
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// keeper says which permissions keep a capability: any of them is enough.
type keeper struct {
	capability uintptr
	by         policy.Set
}

// always keeps a capability in every cell: its effect ends at the cell's own
// files and processes, and NetBSD cannot take it from root either.
const always = ^policy.Set(0)

// keepers has a row for every capability; one that is not kept is dropped.
// CAP_SYS_ADMIN and CAP_SYS_RAWIO open far more than the permissions of
// medium and high that policy maps to them, so those do not keep them.
var keepers = []keeper{
	{unix.CAP_CHOWN, 1 << policy.Chown},
	{unix.CAP_DAC_OVERRIDE, always},
	{unix.CAP_DAC_READ_SEARCH, always}, // open_by_handle_at has its own rule
	{unix.CAP_FOWNER, always},
	{unix.CAP_FSETID, 1 << policy.KeepSetID},
	{unix.CAP_KILL, 1 << policy.Kill},
	{unix.CAP_SETGID, 1 << policy.SetID},
	{unix.CAP_SETUID, 1 << policy.SetID},
	{unix.CAP_SETPCAP, always},
	{unix.CAP_LINUX_IMMUTABLE, 1 << policy.SystemFlags},
	{unix.CAP_NET_BIND_SERVICE, 1 << policy.BindPrivileged},
	{unix.CAP_NET_BROADCAST, 0},
	{unix.CAP_NET_ADMIN, 1<<policy.Interface | 1<<policy.Firewall | 1<<policy.Route | 1<<policy.IPsec | 1<<policy.SocketAdmin | 1<<policy.Bluetooth},
	{unix.CAP_NET_RAW, 1<<policy.RawOpen | 1<<policy.RawSocket},
	{unix.CAP_IPC_LOCK, 1 << policy.SysVIPCLimits},
	{unix.CAP_IPC_OWNER, 1 << policy.SysVIPCOverride},
	{unix.CAP_SYS_MODULE, 1 << policy.Module},
	{unix.CAP_SYS_RAWIO, 1<<policy.RawDevice | 1<<policy.Machdep},
	{unix.CAP_SYS_CHROOT, 1 << policy.Chroot},
	{unix.CAP_SYS_PTRACE, 1 << policy.Trace},
	{unix.CAP_SYS_PACCT, 1 << policy.Accounting},
	{unix.CAP_SYS_ADMIN, 1<<policy.Mount | 1<<policy.Swap | 1<<policy.DeviceMapper | 1<<policy.Entropy},
	{unix.CAP_SYS_BOOT, 1 << policy.Reboot},
	{unix.CAP_SYS_NICE, 1<<policy.Schedule | 1<<policy.CPU},
	{unix.CAP_SYS_RESOURCE, 1 << policy.Resource},
	{unix.CAP_SYS_TIME, 1 << policy.Time},
	{unix.CAP_SYS_TTY_CONFIG, 1 << policy.TTYAdmin},
	{unix.CAP_MKNOD, 1 << policy.Mknod},
	{unix.CAP_LEASE, 0},
	{unix.CAP_AUDIT_WRITE, 0},
	{unix.CAP_AUDIT_CONTROL, 0},
	{unix.CAP_SETFCAP, 0},
	{unix.CAP_MAC_OVERRIDE, 0},
	{unix.CAP_MAC_ADMIN, 0},
	{unix.CAP_SYSLOG, 1 << policy.KernelAddress},
	{unix.CAP_WAKE_ALARM, 0},
	{unix.CAP_BLOCK_SUSPEND, 0},
	{unix.CAP_AUDIT_READ, 0},
	{unix.CAP_PERFMON, 0},
	{unix.CAP_BPF, 0},
	{unix.CAP_CHECKPOINT_RESTORE, 0},
}

// dropCapabilities are the steps that bound the child's capabilities: exec(2)
// computes its program's out of the bounding, inheritable and ambient sets. What
// the child holds itself it needs for the steps that follow; it gives that up by
// lowerCapabilities.
func dropCapabilities(set policy.Set) ([]stage.Step, error) {
	steps := make([]stage.Step, 0, len(keepers)+2)
	for _, k := range keepers {
		if k.kept(set) {
			continue
		}
		s := stage.Sys("drop a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, k.capability)
		s.Tolerate[0] = unix.EINVAL // younger than the kernel
		steps = append(steps, s)
	}
	steps = append(steps, stage.Sys("clear ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL))
	inheritable, err := setCapabilities("clear inheritable capabilities", ^uint64(0))
	if err != nil {
		return nil, err
	}
	return append(steps, inheritable), nil
}

// lowerCapabilities leaves the child, which is still root, what its program will
// have: others can see it from then on.
func lowerCapabilities(set policy.Set) ([]stage.Step, error) {
	var kept uint64
	for _, k := range keepers {
		if k.kept(set) {
			kept |= 1 << k.capability
		}
	}
	s, err := setCapabilities("give up capabilities", kept)
	return []stage.Step{s}, err
}

func (k *keeper) kept(set policy.Set) bool { return k.by == always || k.by&set != 0 }

// setCapabilities leaves of the capabilities that this process has those in
// kept, and none inheritable.
func setCapabilities(name string, kept uint64) (stage.Step, error) {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := new([2]unix.CapUserData)
	if err := unix.Capget(header, &data[0]); err != nil {
		return stage.Step{}, fmt.Errorf("read own capabilities: %w", err)
	}
	for i, half := range [2]uint32{uint32(kept), uint32(kept >> 32)} {
		data[i].Inheritable = 0
		data[i].Permitted &= half
		data[i].Effective &= half
	}
	s := stage.Sys(name, unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)))
	s.Keep = []any{header, data}
	return s, nil
}
