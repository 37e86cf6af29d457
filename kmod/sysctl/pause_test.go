package sysctl

import (
	"errors"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
)

// A cell that forks while it is being stopped is stopped all the same, by both
// kinds of module, and nobody else is.
func TestPause(t *testing.T) {
	for name, k := range map[string]*fakeKernel{"own": newOwnFake(), "published": newFake()} {
		t.Run(name, func(t *testing.T) {
			c := newClient(k)
			id, err := c.Create(spec("a", "/cells/a"))
			if err != nil {
				t.Fatal(err)
			}
			member, other := k.spawn(uint32(id)), k.spawn(0)
			forks := 3
			k.onStop = func() {
				if forks--; forks >= 0 {
					k.spawn(uint32(id))
				}
			}
			if err := c.Pause(id); err != nil {
				t.Fatalf("Pause = %v", err)
			}
			for _, p := range k.procs {
				if got, want := p.stat == statStopped, p.cell == uint32(id); got != want {
					t.Errorf("process %d of cell %d: stopped is %v", p.pid, p.cell, got)
				}
			}
			if err := c.Resume(id); err != nil || member.stat == statStopped {
				t.Errorf("Resume = %v, state %d", err, member.stat)
			}
			if other.stat == statStopped {
				t.Error("a process of the host was stopped")
			}
			if err := c.Pause(99); !errors.Is(err, kmod.ErrNotFound) {
				t.Errorf("Pause of no cell = %v; want ErrNotFound", err)
			}
		})
	}
}
