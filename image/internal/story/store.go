package story

// Stores, and what is in them.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// NewStore is a fresh store, closed when the test ends.
func NewStore(tb testing.TB) *store.Store {
	tb.Helper()
	return OpenStore(tb, filepath.Join(tb.TempDir(), "store"))
}

// OpenStore opens the store in dir, or makes it, until the test ends.
func OpenStore(tb testing.TB, dir string) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), dir, true)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// Import puts an image of these layers into the store.
func Import(tb testing.TB, s *store.Store, name string, layers ...[]byte) transfer.Copied {
	tb.Helper()
	list, err := transfer.Import(tb.Context(), s, imagetest.LayoutOf(tb, layers...), name, transfer.CopyOptions{})
	if err != nil || len(list) != 1 {
		tb.Fatalf("import %s: %v, %v", name, list, err)
	}
	return list[0]
}

// Names are the names in a store; each must lead to an image.
func Names(tb testing.TB, s *store.Store) []string {
	tb.Helper()
	list, err := s.List()
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, l := range list {
		if l.Error != "" {
			tb.Errorf("%s: %s", l.Name, l.Error)
		}
		names = append(names, l.Name)
	}
	return names
}

// Files lists what is in a store, without directories and locks.
func Files(tb testing.TB, s *store.Store) []string {
	tb.Helper()
	var list []string
	err := filepath.WalkDir(s.Path(), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "index.lock" {
			rel, _ := filepath.Rel(s.Path(), path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

// NoTrace demands that a failed pull left nothing that looks like an image
// or a blob.
func NoTrace(tb testing.TB, s *store.Store) {
	tb.Helper()
	if names := Names(tb, s); len(names) != 0 {
		tb.Errorf("the store has %q", names)
	}
	for _, name := range Files(tb, s) {
		blob, found := strings.CutPrefix(name, v1.ImageBlobsDir+"/")
		if !found {
			continue
		}
		d := digest.Digest(strings.Replace(blob, "/", ":", 1))
		data, err := os.ReadFile(filepath.Join(s.Path(), name))
		if err != nil {
			tb.Fatal(err)
		}
		if d.Algorithm().FromBytes(data) != d {
			tb.Errorf("%s is not what its name says", name)
		}
	}
}

// Pull pulls the registry's image and gives the transfers that ended or were
// taken up again.
func Pull(tb testing.TB, s *store.Store, f *imagetest.Registry) (list []store.Transfer, err error) {
	tb.Helper()
	return PullWith(tb, s, f, registry.Options{})
}

// PullWith is Pull with options.
func PullWith(tb testing.TB, s *store.Store, f *imagetest.Registry, o registry.Options) (list []store.Transfer, err error) {
	tb.Helper()
	tb.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(tb))
	_, err = transfer.Pull(tb.Context(), s, f.Name(), o, transfer.CopyOptions{Progress: func(t store.Transfer) {
		if t.Ended || t.Retry != nil {
			list = append(list, t)
		}
	}})
	return list, err
}
