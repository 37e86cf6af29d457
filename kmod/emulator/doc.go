// Package emulator stands in for secmodel_cell on Linux: kmod.Client over real
// processes, so that every test and every bundle runs on a developer's machine.
//
// A cell is a set of namespaces (pid, mount, ipc, uts) that lives as long as
// its first process, a seccomp filter and a capability bound compiled from
// kmod/policy, and, where the host has them, a cgroup. It emulates NetBSD: what
// NetBSD's cells cannot do it does not add. What it cannot emulate it says in
// Features.
//
// A cell without a network is in a network namespace that stays empty, for one
// thing alone: Linux ties abstract local sockets to it. A cell with a network
// reaches those of the host, as the host's programs reach its own. NetBSD has
// none.
//
// It stands in for this project's module, or for the published one, which does
// less (Module): so a configuration can be tried for a NetBSD that has that.
//
// The kernel's part of the state, that is ids, names and reserved ports, is
// below the state root, a file a cell. So names are unique and ports are
// exclusive per state root, where NetBSD's are per machine.
package emulator
