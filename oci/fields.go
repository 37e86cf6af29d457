package oci

// The table of every field of runtime-spec 1.3 and of the netbsd section: what
// handles it, or the fixed grade and the reason. A row for an object covers
// all that is in it. TestEveryFieldHasARule walks the specification's types,
// so a field that a later version adds can't be forgotten.

import "slices"

// rule is a row: either handle, or grade and reason.
type rule struct {
	// field is the path, [] standing for any index. Rows are sorted by it.
	field string
	// handle gets the compiler, the field's path and its value, never a
	// pointer. It must leave a note.
	handle func(c *compiler, field string, v any)
	grade  Grade
	reason string
	fatal  bool
}

// ruleFor finds the row of a field, nil if there is none: an object whose
// fields have rows of their own.
func ruleFor(pattern string) *rule {
	i, ok := slices.BinarySearchFunc(rules[:], pattern, func(r rule, p string) int {
		switch {
		case r.field < p:
			return -1
		case r.field > p:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &rules[i]
}

const (
	noCgroups  = "NetBSD has no cgroups: the limit is not set"
	otherOS    = "a section for another operating system; not read"
	kauthRules = "the cell's permissions take its place (see the policy reference)"
)

var rules = [...]rule{
	{field: "annotations", handle: (*compiler).annotations},
	{field: "domainname", handle: (*compiler).domainname},
	{field: "freebsd", grade: Refused, reason: otherOS + "; NetBSD's is named netbsd"},
	{field: "hooks.createContainer[]", handle: (*compiler).hook},
	{field: "hooks.createRuntime[]", handle: (*compiler).hook},
	{field: "hooks.poststart[]", handle: (*compiler).hook},
	{field: "hooks.poststop[]", handle: (*compiler).hook},
	{field: "hooks.prestart[]", handle: (*compiler).hook},
	{field: "hooks.startContainer[]", handle: (*compiler).hook},
	{field: "hostname", handle: (*compiler).hostname},
	{field: "linux.cgroupsPath", handle: (*compiler).cgroupsPath},
	{field: "linux.devices[]", handle: (*compiler).linuxDevice},
	{field: "linux.gidMappings", grade: Refused, fatal: true, reason: noIDMappings},
	{field: "linux.intelRdt", grade: Refused, reason: "NetBSD has no resource director"},
	{field: "linux.maskedPaths", handle: (*compiler).maskedPaths},
	{field: "linux.memoryPolicy", grade: Refused, reason: "NetBSD has no memory policies: memory comes from any node"},
	{field: "linux.mountLabel", grade: Refused, reason: "NetBSD has no SELinux: mounts carry no label"},
	{field: "linux.namespaces[]", handle: (*compiler).namespace},
	{
		field: "linux.netDevices", grade: Refused, fatal: true,
		reason: "all cells share the host's interfaces: none can be moved into a cell; " +
			"give the cell its own address instead (netbsd.cell.addresses)",
	},
	{field: "linux.personality", handle: (*compiler).personality},
	{field: "linux.readonlyPaths", handle: (*compiler).readonlyPaths},
	{field: "linux.resources.blockIO", grade: Refused, reason: noCgroups},
	{
		field: "linux.resources.cpu", grade: Refused,
		reason: noCgroups + "; process.scheduler.nice or RLIMIT_CPU in process.rlimits come nearest",
	},
	{
		field: "linux.resources.devices", grade: Approximated,
		reason: "cells have no device rules by number: every cell may open the ordinary devices " +
			"(null, zero, random, terminals) and the nodes of linux.devices, any other only with the permission raw-device",
	},
	{field: "linux.resources.hugepageLimits", grade: Refused, reason: noCgroups},
	{
		field: "linux.resources.memory", grade: Refused,
		reason: noCgroups + "; RLIMIT_AS in process.rlimits limits each process",
	},
	{field: "linux.resources.network", grade: Refused, reason: noCgroups},
	{field: "linux.resources.pids", handle: (*compiler).pids},
	{field: "linux.resources.rdma", grade: Refused, reason: noCgroups},
	{field: "linux.resources.unified", grade: Refused, reason: noCgroups},
	{field: "linux.rootfsPropagation", handle: (*compiler).rootfsPropagation},
	{field: "linux.seccomp", grade: Refused, reason: "NetBSD has no system call filter: " + kauthRules},
	{field: "linux.sysctl", grade: Refused, reason: "Linux settings; a cell shares the host's kernel settings, which stay as they are"},
	{field: "linux.timeOffsets", grade: Refused, reason: "cells share the host's clocks"},
	{field: "linux.uidMappings", grade: Refused, fatal: true, reason: noIDMappings},
	{field: "mounts[]", handle: (*compiler).mount},
	{field: "netbsd.cell.addresses", handle: (*compiler).sectionAddresses},
	{field: "netbsd.cell.maxProcesses", handle: (*compiler).sectionMaxProcesses},
	{field: "netbsd.cell.network", handle: (*compiler).sectionNetwork},
	{field: "netbsd.cell.permissions", handle: (*compiler).sectionPermissions},
	{field: "netbsd.cell.profile", handle: (*compiler).sectionProfile},
	{field: "netbsd.cell.reservedPorts", handle: (*compiler).sectionPorts},
	{field: "netbsd.devices[]", handle: (*compiler).netbsdDevice},
	{field: "ociVersion", handle: (*compiler).ociVersion},
	{field: "process.apparmorProfile", grade: Refused, reason: "NetBSD has no AppArmor: " + kauthRules},
	{field: "process.args", handle: (*compiler).args},
	{field: "process.capabilities", handle: (*compiler).capabilities},
	{field: "process.commandLine", grade: Refused, reason: "for Windows; process.args is used"},
	{field: "process.consoleSize", handle: (*compiler).consoleSize},
	{field: "process.cwd", handle: (*compiler).cwd},
	{field: "process.env", handle: (*compiler).env},
	{field: "process.execCPUAffinity", grade: Refused, reason: "not set: processes run on any CPU of the host"},
	{field: "process.ioPriority", grade: Refused, reason: "NetBSD has no I/O priorities"},
	{field: "process.noNewPrivileges", handle: (*compiler).noNewPrivileges},
	{field: "process.oomScoreAdj", handle: (*compiler).oomScoreAdj},
	{field: "process.rlimits[]", handle: (*compiler).rlimit},
	{field: "process.scheduler", handle: (*compiler).scheduler},
	{field: "process.selinuxLabel", grade: Refused, reason: "NetBSD has no SELinux: " + kauthRules},
	{field: "process.terminal", handle: (*compiler).terminal},
	{field: "process.user.additionalGids", handle: (*compiler).additionalGids},
	{field: "process.user.gid", handle: (*compiler).gid},
	{field: "process.user.uid", handle: (*compiler).uid},
	{field: "process.user.umask", handle: (*compiler).umask},
	{field: "process.user.username", handle: (*compiler).username},
	{field: "root.path", handle: (*compiler).rootPath},
	{field: "root.readonly", handle: (*compiler).rootReadonly},
	{field: "solaris", grade: Refused, reason: otherOS},
	{
		field: "vm", grade: Refused, fatal: true,
		reason: "cells are not virtual machines: all of them run on the host's kernel; use a runtime for virtual machines",
	},
	{field: "windows", grade: Refused, reason: otherOS},
	{field: "zos", grade: Refused, reason: otherOS},
}

const noIDMappings = "cells do not map ids: root in the cell would be root's id on the host, where the mapping " +
	"asks for another; remove the mappings and the user namespace"
