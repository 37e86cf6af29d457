package emulator

// What this host lets the emulator enforce, and why not where it does not.

import (
	"os"
	"runtime"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
	"golang.org/x/sys/unix"
)

// Features probes the host once. Without a module to go by, that of the cells
// decides.
func (c *Client) Features() (kmod.Features, error) { return c.features() }

func enforced() kmod.Support { return kmod.Support{Level: kmod.Enforced} }

func recorded(why string) kmod.Support { return kmod.Support{Level: kmod.Recorded, Reason: why} }

func absent(why string) kmod.Support { return kmod.Support{Level: kmod.Absent, Reason: why} }

func (c *Client) probe() (kmod.Features, error) {
	m, err := c.find()
	switch {
	case err != nil:
		return kmod.Features{}, err
	case m == Published:
		return published(), nil
	}
	filter, ports := seccomp(), bindHooks()
	return kmod.Features{
		Platforms:    platforms(),
		Backend:      "emulator",
		ABI:          wire.Version,
		Profiles:     filter,
		Permissions:  permissions(filter),
		Devices:      enforced(),
		DeviceList:   recorded("a cell opens every node that its image or its configuration has, and makes none"),
		Ports:        ports,
		PortAddress:  ports,
		Addresses:    ports,
		Network:      filter,
		MaxProcesses: maxProcesses(pidsController()),
		Processes:    enforced(),
		Kill:         enforced(),
		Stats:        absent("Linux does not count denied system calls by process"),
		ExitStatus:   exitStatus(),
		MaxGroups:    kmod.MaxGroups, // what is over NetBSD's limit must fail here too
	}, nil
}

// exitStatus asks about this process, as it runs.
func exitStatus() kmod.Support {
	self, _ := unix.PidfdOpen(os.Getpid(), 0) // -1 is no process's
	defer func() { _ = unix.Close(self) }()
	if exitInfo(self) {
		return recorded("known to the parent, and to a wait that began before the end")
	}
	return absent("this kernel tells an exit status only to the parent (Linux 6.15 tells others)")
}

// platforms are the host's, and that of the 32-bit programs it runs as well.
func platforms() []string { return platformsOf(runtime.GOARCH) }

func platformsOf(arch string) []string {
	list := []string{"linux/" + arch}
	switch arch {
	case "amd64":
		list = append(list, "linux/386")
	case "arm64":
		list = append(list, "linux/arm")
	}
	return list
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
	_, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return filters(err)
}

func filters(err error) kmod.Support {
	if err != nil {
		return absent("this kernel has no seccomp filters: no cell can be entered")
	}
	return enforced()
}

// bindHooks asks for the programs at a hook.
func bindHooks() kmod.Support { return reservations(hookable(hooks[0].attach)) }

func reservations(err error) kmod.Support {
	if err != nil {
		return recorded(err.Error())
	}
	// NetBSD stops them; here it would mean a hook for the whole machine.
	return kmod.Support{Level: kmod.Enforced, Reason: "among the cells of one state root; the host's own users are not stopped"}
}
