// What this host lets the emulator enforce, and why not where it does not.

package emulator

import (
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
	notYet := recorded("kept and shown, not enforced by this version")
	return kmod.Features{
		Backend:      "emulator",
		ABI:          1,
		Profiles:     notYet,
		Permissions:  notYet,
		Devices:      enforced(),
		Ports:        notYet,
		PortAddress:  notYet,
		Addresses:    notYet,
		Network:      notYet,
		MaxProcesses: notYet,
		Processes:    enforced(),
		Kill:         enforced(),
		Stats:        absent("Linux does not count denied system calls by process"),
		ExitStatus:   exit,
		MaxGroups:    maxGroups,
	}
}
