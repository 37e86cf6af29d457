package store_test

// Names: whose they are.

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A digest stands for all of its names only if that is asked for, and if one
// name is not there, none goes.
func TestRemoveByDigest(t *testing.T) {
	s := story.NewStore(t)
	layer := imagetest.Tar(t, imagetest.Entry{Name: "f"})
	d := string(story.Import(t, s, "a", layer).Manifest)
	story.Import(t, s, "b", layer)
	if removed, err := s.Remove(t.Context(), false, d); err == nil || !strings.Contains(err.Error(), "localhost/a:latest, localhost/b:latest") {
		t.Errorf("removed %q, error is %v; want the names", removed, err)
	}
	if removed, err := s.Remove(t.Context(), false, "a", "nothing"); !errors.Is(err, store.ErrNoImage) {
		t.Errorf("removed %q, error is %v", removed, err)
	}
	if list, _ := s.List(); len(list) != 2 {
		t.Errorf("the store has %v; want both names", list)
	}
	if removed, err := s.Remove(t.Context(), true, d); err != nil || !slices.Equal(removed, []string{"localhost/a:latest", "localhost/b:latest"}) {
		t.Errorf("removed %q, %v", removed, err)
	}
	story.Import(t, s, "a", layer)
	if removed, err := s.Remove(t.Context(), false, d); err != nil || !slices.Equal(removed, []string{"localhost/a:latest"}) {
		t.Errorf("removed %q, %v", removed, err)
	}
}

// A name of this machine is not taken away by what an archive calls itself.
func TestImportTakesNobodysName(t *testing.T) {
	s := story.NewStore(t)
	mine := story.Import(t, s, "base", imagetest.Tar(t, imagetest.Entry{Name: "mine"}))
	l := imagetest.NewLayout(t)
	theirs := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "theirs"}))
	l.Index(named(theirs, "other"), named(theirs, "base"))
	has := func(want string) {
		t.Helper()
		_, found, err := s.Lookup("base")
		if err != nil || string(found[0].Digest) != want {
			t.Errorf("base is %v, %v; want %s", found, err, want)
		}
	}
	_, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{})
	if !errors.Is(err, store.ErrTaken) || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("error is %v", err)
	}
	has(string(mine.Manifest))
	if _, _, err := s.Lookup("other"); !errors.Is(err, store.ErrNoImage) {
		t.Errorf("the other name was given: %v", err)
	}
	if _, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{Replace: true}); err != nil {
		t.Error(err)
	}
	has(string(theirs.Digest))
	if _, err := transfer.Import(t.Context(), s, l.Dir, "", transfer.CopyOptions{}); err != nil {
		t.Errorf("the same image again: %v", err)
	}
}

// What gc takes of a bundle that is gone, it says whose it was.
func TestGCNamesBundles(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	b, _ := story.MakeBundle(t, s, "x", bundle.RootfsCopy)
	if err := os.Rename(b, b+"-moved"); err != nil {
		t.Fatal(err)
	}
	list, err := s.GC(t.Context(), true)
	if err != nil || len(list) != 1 || list[0].Bundle != b {
		t.Errorf("gc lists %+v, %v; want the bundle %s", list, err, b)
	}
}
