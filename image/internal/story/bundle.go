package story

// Bundles that tests look into.

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/store"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Unpack unpacks an image into a fresh bundle inside a canary tree, which
// must not change, and gives the bundle. A failed
// unpack must leave nothing.
func Unpack(tb testing.TB, layout string, o bundle.UnpackOptions) (string, *bundle.Result, error) {
	tb.Helper()
	around := imagetest.Canary(tb)
	before := imagetest.Outside(imagetest.Tree(tb, around))
	b := filepath.Join(around, "in", "bundle")
	o.NoSync = true // the machine's other work would be waited for
	res, err := bundle.Unpack(context.Background(), layout, b, o)
	if err != nil {
		if _, e := os.Lstat(b); !os.IsNotExist(e) {
			tb.Errorf("a failed unpack left %s behind", b)
		}
	}
	if after := imagetest.Outside(imagetest.Tree(tb, around)); after != before {
		tb.Errorf("the tree around the bundle changed:\nbefore:\n%s\nafter:\n%s", before, after)
	}
	return b, res, err
}

// UnpackLayers unpacks layers that must be good and gives the rootfs.
func UnpackLayers(tb testing.TB, layers ...[]byte) string {
	tb.Helper()
	b, _, err := Unpack(tb, imagetest.LayoutOf(tb, layers...), bundle.UnpackOptions{})
	if err != nil {
		tb.Fatalf("unpack: %v", err)
	}
	return filepath.Join(b, "rootfs")
}

// MakeBundle makes a bundle of an image in the store whose root file system is
// of that kind (bundle.RootfsCopy or RootfsShared), and gives its path and
// config.json.
func MakeBundle(tb testing.TB, s *store.Store, name, kind string) (string, *specs.Spec) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "b")
	if _, err := bundle.Make(tb.Context(), s, name, path, bundle.MakeOptions{Rootfs: kind, UnpackOptions: bundle.UnpackOptions{NoSync: true}}); err != nil {
		tb.Fatal(err)
	}
	return path, Spec(tb, path)
}

// Spec is a bundle's config.json.
func Spec(tb testing.TB, bundle string) *specs.Spec {
	tb.Helper()
	data, err := os.ReadFile(bundle + "/config.json")
	if err != nil {
		tb.Fatal(err)
	}
	spec := &specs.Spec{}
	if err := json.Unmarshal(data, spec); err != nil {
		tb.Fatal(err)
	}
	return spec
}

// SameAsUmoci unpacks an image of a layout with umoci and with us: the trees
// must be the same.
func SameAsUmoci(t testing.TB, layout, tag string) {
	t.Helper()
	theirs := filepath.Join(t.TempDir(), "umoci")
	imagetest.RunTool(t, "umoci", "raw", "unpack", "--image", layout+":"+tag, theirs)
	b, _, err := Unpack(t, "oci:"+layout+":"+tag, bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ours, want := imagetest.TreeLikeUmoci(t, filepath.Join(b, "rootfs")), imagetest.TreeLikeUmoci(t, theirs)
	if ours != want {
		t.Errorf("umoci has\n%s\nwe have\n%s", want, ours)
	}
}
