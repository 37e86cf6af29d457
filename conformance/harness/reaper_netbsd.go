package harness

// NetBSD has no subreaper: the processes of detached containers go to init,
// so there is nothing to collect.

import "os/exec"

type reaper struct{}

func newReaper(bool) (*reaper, error) { return &reaper{}, nil }

func (*reaper) start(cmd *exec.Cmd) error { return cmd.Start() }

func (*reaper) wait(cmd *exec.Cmd) error { return cmd.Wait() }

func (*reaper) close() {}

// ExitStatus needs a subreaper: cases that use it say OS Linux.
func (t *T) ExitStatus(int) int {
	t.Skipf("NetBSD has no subreaper")
	return 0
}
