// What this host lets the emulator enforce, and why not where it does not.

package emulator

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netbsd-cells/runcell/kmod"
)

// Features probes the host once.
func (c *Client) Features() (kmod.Features, error) { return c.features(), nil }

func enforced() kmod.Support { return kmod.Support{Level: kmod.Enforced} }

func recorded(why string) kmod.Support { return kmod.Support{Level: kmod.Recorded, Reason: why} }

func absent(why string) kmod.Support { return kmod.Support{Level: kmod.Absent, Reason: why} }

// maxGroups is NetBSD's NGROUPS_MAX: what is over it must fail here too.
const maxGroups = 16

func (c *Client) probe() kmod.Features {
	exit := absent("this kernel tells an exit status only to the parent (Linux 6.15 tells others)")
	if exitInfo() {
		exit = recorded("known to the parent, and to a wait that began before the end")
	}
	filter, ports := seccomp(), bindHooks()
	return kmod.Features{
		Backend:      "emulator",
		ABI:          1,
		Profiles:     filter,
		Permissions:  permissions(filter),
		Devices:      enforced(),
		Ports:        ports,
		PortAddress:  ports,
		Addresses:    ports,
		Network:      filter,
		MaxProcesses: maxProcesses(),
		Processes:    enforced(),
		Kill:         enforced(),
		Stats:        absent("Linux does not count denied system calls by process"),
		ExitStatus:   exit,
		MaxGroups:    maxGroups,
	}
}

// permissions lists, as the reason, what is emulated differently: an admin
// who tries a policy on Linux must know where NetBSD answers otherwise.
func permissions(filter kmod.Support) kmod.Support {
	if filter.Level != kmod.Enforced {
		return filter
	}
	gaps := Gaps()
	parts := make([]string, len(gaps))
	for i, g := range gaps {
		parts[i] = g.Permission.String() + ": " + g.Reason
	}
	filter.Reason = "except " + strings.Join(parts, "; ")
	return filter
}

// seccomp asks for the calling thread's filter mode: EINVAL says that the
// kernel was built without filters, seccomp(2). Entering a cell fails then.
func seccomp() kmod.Support {
	if _, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		return absent("this kernel has no seccomp filters: no cell can be entered")
	}
	return enforced()
}

// bindHooks asks for the programs at a hook, which needs what attaching
// needs: the kernel's support and the caller's privilege.
func bindHooks() kmod.Support {
	mount := cgroupV2()
	if mount == "" {
		return recorded("no cgroup v2 hierarchy is mounted")
	}
	if err := usable(mount); err != nil {
		return recorded(err.Error())
	}
	fd, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return recorded(err.Error())
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := attached(fd, hooks[0].attach); err != nil {
		return recorded("eBPF programs cannot be attached to cgroups: " + err.Error())
	}
	// NetBSD stops them; here it would mean a hook for the whole machine.
	return kmod.Support{Level: kmod.Enforced, Reason: "among the cells of one state root; the host's own users are not stopped"}
}
