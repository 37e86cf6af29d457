package hostroot

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/oci"
)

// crowded is a kernel with many mounts.
type crowded struct {
	Kernel

	takes        int
	took         time.Duration
	err, walkErr error
}

func (k crowded) syncer() (int, error)              { return k.takes, k.err }
func (k crowded) walk() (int, time.Duration, error) { return 4400, k.took, k.walkErr }

// A root that would bring the host nearer to a standstill is refused before it is
// mounted; a syncer that writes files is no reason.
func TestCrowd(t *testing.T) {
	const more = maxWalk + 2*time.Millisecond
	for _, c := range []struct {
		kernel crowded
		want   string
	}{
		{crowded{}, ""},
		{crowded{takes: maxSyncer, took: more}, ""},
		{crowded{takes: maxSyncer + 1, took: maxWalk}, ""},
		{crowded{takes: maxSyncer + 1, took: more}, "21 % of a processor (at most 20), 62 ms each time that it looks at the host's 4400 mounts"},
		{crowded{err: errors.New("unread"), takes: 90, took: more}, "unread"},
		{crowded{walkErr: errors.New("unread"), takes: 90}, "unread"},
	} {
		err := checkCrowd(c.kernel)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.kernel, err, c.want)
		}
	}
	root := &Root{Kernel: crowded{takes: 90, took: more}, Plan: &oci.Plan{Process: &oci.Process{}}, StateDir: t.TempDir(), Source: t.TempDir()}
	if err := root.Build(); err == nil || !strings.Contains(err.Error(), "4400 mounts") {
		t.Errorf("build beside a crowd: %v", err)
	}
}
