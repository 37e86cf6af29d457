package hostroot

import "testing"

// The kernel counts as many mounts as it lists, and a few take it no time.
func TestWalk(t *testing.T) {
	k, err := NewKernel()
	if err != nil {
		t.Fatal(err)
	}
	table, err := k.table()
	if err != nil {
		t.Fatal(err)
	}
	mounts, took, err := k.walk()
	if err != nil || mounts != len(table) || took < 0 || took > maxWalk {
		t.Errorf("%d mounts in %v, %v; the table has %d", mounts, took, err, len(table))
	}
}
