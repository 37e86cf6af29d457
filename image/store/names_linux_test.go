package store_test

// Many names at once. An emulated machine takes minutes for them.

import (
	"fmt"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A change of many names is one change of the index: what names cost grows as they
// do, not as their square.
func TestManyNames(t *testing.T) {
	few, many := timeNames(t, 100), timeNames(t, 2000)
	if many > 100*few {
		t.Errorf("100 names took %v, 2000 took %v", few, many)
	}
}

// timeNames imports an image of n names, and removes them.
func timeNames(t *testing.T, n int) time.Duration {
	l := imagetest.NewLayout(t)
	d := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	var list []v1.Descriptor
	var names []string
	for i := range n {
		list = append(list, named(d, fmt.Sprint("n", i)))
		names = append(names, fmt.Sprint("n", i))
	}
	l.Index(list...)
	s := story.NewStore(t)
	start := time.Now()
	if got, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{}); err != nil || len(got) != n {
		t.Fatalf("%d names, %v", len(got), err)
	}
	if removed, err := s.Remove(t.Context(), false, names...); err != nil || len(removed) != n || removed[7] != "localhost/n7:latest" {
		t.Errorf("%d removed, %v", len(removed), err)
	}
	took := time.Since(start)
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Errorf("%d are left, %v", len(list), err)
	}
	return took
}
