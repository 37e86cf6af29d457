package hostroot

import (
	"errors"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
)

// crowded is a kernel with many mounts.
type crowded struct {
	Kernel

	takes int
	err   error
}

func (k crowded) syncer() (int, error) { return k.takes, k.err }

// A root that would bring the host nearer to a standstill is refused before it is mounted.
func TestCrowd(t *testing.T) {
	for _, c := range []struct {
		kernel crowded
		want   string
	}{
		{crowded{}, ""},
		{crowded{takes: maxSyncer}, ""},
		{crowded{takes: maxSyncer + 1}, "21 % of a processor (at most 20) to look at all mounts"},
		{crowded{err: errors.New("unread")}, "unread"},
	} {
		err := checkCrowd(c.kernel)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.kernel, err, c.want)
		}
	}
	root := &Root{Kernel: crowded{takes: 90}, Plan: &oci.Plan{Process: &oci.Process{}}, StateDir: t.TempDir(), Source: t.TempDir()}
	if err := root.Build(); err == nil || !strings.Contains(err.Error(), "90 % of a processor") {
		t.Errorf("build beside a crowd: %v", err)
	}
}
