package harness

// What a case may leave behind on NetBSD.

import "github.com/netbsd-cells/runcell/conformance/owned"

// mounts lists the mount points of the case: those in its directory, and where
// a runtime keeps its state by default. The rest of the machine's only table is
// not the case's.
func (t *T) mounts() []string { return owned.Mounts(append(defaultRoots(t.Target.Name), t.Dir)...) }

func (t *T) hiddenCgroups() []string { return nil }

// Resident needs a subreaper: cases that use it say OS Linux.
func (t *T) Resident() []string {
	t.Skipf("NetBSD has no subreaper")
	return nil
}
