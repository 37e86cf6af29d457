package emulator

// What a child's steps take of root's power, against the policy's own table.

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
	CHECKPOINT_RESTORE`)

// keepsCapability tells whether a cell of these permissions has a capability:
// any that policy maps to it is enough, but for those here, which open more.
func keepsCapability(set policy.Set, name string) bool {
	switch name {
	case "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SETPCAP":
		return true
	case "SYS_ADMIN":
		return set.Has(policy.Mount) || set.Has(policy.Swap) || set.Has(policy.DeviceMapper) || set.Has(policy.Entropy)
	case "SYS_RAWIO":
		return set.Has(policy.RawDevice) || set.Has(policy.Machdep)
	case "SYS_RESOURCE":
		return set.Has(policy.Resource)
	case "SYSLOG":
		return set.Has(policy.KernelAddress)
	}
	return slices.ContainsFunc(policy.Permissions[:], func(i policy.PermissionInfo) bool {
		return set.Has(i.Permission) && slices.Contains(i.Capabilities, name)
	})
}

// capset is what a step sets.
func capset(t *testing.T, s stage.Step) [2]unix.CapUserData {
	t.Helper()
	if s.Nr != unix.SYS_CAPSET {
		t.Fatalf("step %q is no capset(2)", s.Name)
	}
	return *s.Keep[1].(*[2]unix.CapUserData)
}

func TestFiltersOfCapabilities(t *testing.T) {
	done := make(chan struct{})
	go func() { // on a thread that ends with it
		defer close(done)
		runtime.LockOSThread()
		header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var own [2]unix.CapUserData
		if err := unix.Capget(header, &own[0]); err != nil {
			t.Error(err)
			return
		}
		for i := range own {
			own[i].Inheritable = own[i].Permitted
		}
		if err := unix.Capset(header, &own[0]); err != nil {
			t.Error(err)
			return
		}
		for name, set := range sets() {
			checkCapabilities(t, name, set, own)
		}
	}()
	<-done
}

func checkCapabilities(t *testing.T, name string, set policy.Set, own [2]unix.CapUserData) {
	t.Helper()
	dropped := map[uintptr]bool{}
	drop, err := dropCapabilities(set)
	if err != nil {
		t.Fatal(err)
	}
	last := drop[len(drop)-2:]
	for _, s := range drop[:len(drop)-2] {
		if s.Nr != unix.SYS_PRCTL || s.Args[0] != unix.PR_CAPBSET_DROP || s.Tolerate[0] != unix.EINVAL {
			t.Errorf("%s: step %+v; want one that drops a capability, if the kernel has it", name, s)
		}
		dropped[s.Args[1]] = true
	}
	if s := last[0]; s.Nr != unix.SYS_PRCTL || s.Args[0] != unix.PR_CAP_AMBIENT || s.Args[1] != unix.PR_CAP_AMBIENT_CLEAR_ALL {
		t.Errorf("%s: step %+v; want one that clears the ambient set", name, s)
	}
	lower, err := lowerCapabilities(set)
	if err != nil || len(lower) != 1 {
		t.Fatalf("%s: lower %v, %v; want one step", name, lower, err)
	}
	inheritable, lowered := capset(t, last[1]), capset(t, lower[0])
	want := own
	for i := range want {
		want[i].Inheritable = 0
	}
	if inheritable != want {
		t.Errorf("%s: capset(2) to %x; want the own ones, none inheritable: %x", name, inheritable, want)
	}
	var kept uint64
	for i, c := range capabilityNames {
		keeps := keepsCapability(set, c)
		if dropped[uintptr(i)] == keeps {
			t.Errorf("%s: CAP_%s is dropped: %v; want %v", name, c, !keeps, keeps)
		}
		if keeps {
			kept |= 1 << i
		}
	}
	for i, half := range [...]uint32{uint32(kept), uint32(kept >> 32)} {
		want[i].Permitted &= half
		want[i].Effective &= half
	}
	if lowered != want {
		t.Errorf("%s: capset(2) to %x before exec; want %x", name, lowered, want)
	}
}

// The first process makes read-only what it must not write below /proc, and
// only it: those that follow have its mounts.
func TestFiltersOfSettings(t *testing.T) {
	const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	paths := map[policy.Permission]string{
		policy.Reboot: "/proc/sysrq-trigger", policy.CPU: "/proc/irq", policy.SysctlWrite: "/proc/sys", policy.RawDevice: "/proc/bus",
	}
	for name, set := range sets() {
		for _, first := range []bool{true, false} {
			steps, err := seal(&kmod.Spec{Permissions: set}, first)
			if err != nil {
				t.Fatal(err)
			}
			mounts := map[string][]uintptr{}
			for _, s := range steps {
				if s.Nr == unix.SYS_MOUNT {
					mounts[s.Name] = append(mounts[s.Name], s.Args[3])
					if s.Tolerate[0] != unix.ENOENT || s.Tolerate[1] != unix.ENOTDIR || s.Keep == nil {
						t.Errorf("%s: step %+v fails where there is no /proc", name, s)
					}
				}
			}
			for p, path := range paths {
				want := []uintptr{unix.MS_BIND, flags}
				if !first || set.Has(p) {
					want = nil
				}
				if got := mounts["make "+path+" read-only"]; !slices.Equal(got, want) {
					t.Errorf("%s, first %v: %s is mounted with %x; want %x", name, first, path, got, want)
				}
			}
		}
	}
}
