package imagetest

// Layouts and images of docker save in one file.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ArchiveOf packs a layout as a tar archive (oci-archive), with more entries
// after its own.
func ArchiveOf(t testing.TB, dir string, extra ...Entry) []byte {
	t.Helper()
	var entries []Entry
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() {
			data, _ := os.ReadFile(path)
			entries = append(entries, Entry{Name: "./" + rel, Body: string(data)})
		}
		return err
	})
	return Tar(t, append(entries, extra...)...)
}

// DockerImage is an image in an archive's manifest.json as "docker save" writes
// it: names of the archive's entries, and what the image is called.
type DockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// DockerArchive is the file that "docker save" wrote for many years, with a
// layer that occurs twice as a link. change, if not nil, changes what is put
// into it.
func DockerArchive(tb testing.TB, change func(m *DockerImage, files map[string]Entry)) string {
	tb.Helper()
	layer := Tar(tb, Entry{Name: "f", Body: "x"})
	second := Tar(tb, Entry{Name: "g", Body: "y"})
	cfg, _ := json.Marshal(v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{
		Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer), digest.FromBytes(second), digest.FromBytes(layer)},
	}})
	m := DockerImage{Config: "cfg.json", RepoTags: []string{"busybox:1", "quay.io/b/b:2"}, Layers: []string{"1/layer.tar", "2/layer.tar", "3/layer.tar"}}
	files := map[string]Entry{
		"cfg.json": {Name: "cfg.json", Body: string(cfg)}, "1/layer.tar": {Name: "1/layer.tar", Body: string(layer)},
		"2/layer.tar": {Name: "2/layer.tar", Body: string(Compress(tb, second, image.Gzip))},
		"3/layer.tar": {Name: "3/layer.tar", Type: '2', Link: "../1/layer.tar"},
	}
	if change != nil {
		change(&m, files)
	}
	list, _ := json.Marshal([]DockerImage{m})
	entries := []Entry{{Name: "manifest.json", Body: string(list)}}
	for _, n := range []string{"cfg.json", "1/layer.tar", "2/layer.tar", "3/layer.tar"} {
		entries = append(entries, files[n])
	}
	path := filepath.Join(tb.TempDir(), "docker.tar")
	if err := os.WriteFile(path, Tar(tb, entries...), 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}
