package harness

// What a case may leave behind on Linux.

import "github.com/netbsd-cells/runcell/conformance/owned"

// mounts lists the mount points of the case: its worker has a mount namespace
// of its own, where nobody else mounts.
func (t *T) mounts() []string { return owned.Mounts("/") }

// hiddenCgroups are those that the case can't see.
func (t *T) hiddenCgroups() []string {
	if t.Target.HideCgroup2 {
		return []string{unified}
	}
	return nil
}

// Resident lists the caller's children beside its own commands: what a
// runtime leaves running for a container, and the container's process.
func (t *T) Resident() []string {
	var left []string
	for pid, what := range owned.Processes() {
		t.reaper.mu.Lock()
		mine := t.reaper.own[pid]
		t.reaper.mu.Unlock()
		if !mine {
			left = append(left, what)
		}
	}
	return left
}
