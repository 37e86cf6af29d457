package bundle_test

// Attacks with names that other tools take for paths.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// GHSA-8xwf-rjm4-xvhv: the title of a layer, which artifact tools take for
// its file name, names nothing here.
func TestTitleIsNoPath(t *testing.T) {
	dir := imagetest.Lie(t, func(_ *imagetest.Layout, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Annotations = map[string]string{v1.AnnotationTitle: "../../victim/file"}
	})
	b, _, err := story.Unpack(t, dir, bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, filepath.Join(b, "rootfs"), "f f 0644 8000")
	s := story.NewStore(t)
	if _, err := transfer.Import(t.Context(), s, dir, "x", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if names := story.Files(t, s); strings.Contains(strings.Join(names, "\n"), "victim") {
		t.Errorf("the store has %q", names)
	}
}

// CVE-2025-22873: the version of Go in go.mod has an os.Root that keeps
// "../" inside.
func TestRootHasNoParent(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"../", "..", "./../", "../."} {
		if f, err := root.Open(name); err == nil {
			f.Close()
			t.Errorf("os.Root opens %q", name)
		}
	}
}
