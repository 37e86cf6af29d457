package rootfs

import "testing"

// The kernel is told of the mount that the cell's processes are in, which is
// the first one, and of the source where the host has none.
func TestHostPath(t *testing.T) {
	for _, c := range []struct {
		recorded []string
		want     string
	}{
		{nil, "/bundle/rootfs"},
		{[]string{"/state/c/rootfs", "/state/c/rootfs/dev"}, "/state/c/rootfs"},
	} {
		if got := HostPath("/bundle/rootfs", c.recorded); got != c.want {
			t.Errorf("HostPath(%q) = %s; want %s", c.recorded, got, c.want)
		}
	}
}
