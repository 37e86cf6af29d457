package hostroot

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/oci"
)

// crowded is a kernel with many mounts, which has no processor for some walks.
type crowded struct {
	Kernel

	took    time.Duration
	err     error
	without *int
}

func (k crowded) walk() (int, time.Duration, error) {
	if k.without != nil && *k.without > 0 {
		*k.without--
		return 4400, k.took + time.Second, nil
	}
	return 4400, k.took, k.err
}

// A root that would bring the host nearer to a standstill is refused before it is mounted.
func TestCrowd(t *testing.T) {
	for _, c := range []struct {
		kernel crowded
		want   string
	}{
		{crowded{}, ""},
		{crowded{took: maxWalk}, ""},
		{crowded{took: maxWalk + 2*time.Millisecond}, "302 ms (at most 300) to go through the host's 4400 mounts"},
		{crowded{without: new(walks - 1)}, ""},
		{crowded{without: new(walks)}, "1000 ms (at most 300)"},
		{crowded{took: time.Second, without: new(1)}, "1000 ms (at most 300)"},
		{crowded{err: errors.New("unread")}, "unread"},
	} {
		err := checkCrowd(c.kernel)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.kernel, err, c.want)
		}
	}
	root := &Root{Kernel: crowded{took: time.Second}, Plan: &oci.Plan{Process: &oci.Process{}}, StateDir: t.TempDir(), Source: t.TempDir()}
	if err := root.Build(); err == nil || !strings.Contains(err.Error(), "4400 mounts") {
		t.Errorf("build beside a crowd: %v", err)
	}
}
