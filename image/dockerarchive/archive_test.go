package dockerarchive_test

// Archives of docker save, honest and not.

import (
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/transfer"
)

func TestImportDockerArchive(t *testing.T) {
	s := story.NewStore(t)
	path := imagetest.DockerArchive(t, nil)
	if _, err := transfer.Import(t.Context(), s, "docker-archive:"+path, "", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := story.Names(t, s); !slices.Equal(got, []string{"docker.io/library/busybox:1", "quay.io/b/b:2"}) {
		t.Errorf("names are %q", got)
	}
	b, _, err := story.Unpack(t, "busybox:1", bundle.UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, b+"/rootfs", "f f 0644 1", "g f 0644 1")
	for name, c := range map[string]struct {
		change func(m *imagetest.DockerImage, files map[string]imagetest.Entry)
		want   string
	}{
		"a layer of other content": {func(_ *imagetest.DockerImage, f map[string]imagetest.Entry) {
			f["1/layer.tar"] = imagetest.Entry{Name: "1/layer.tar", Body: "z"}
		}, "rootfs.diff_ids says"},
		"a layer that is missing": {func(m *imagetest.DockerImage, _ map[string]imagetest.Entry) { m.Layers[0] = "/etc/passwd" }, "no such file"},
		"a link out of it": {func(_ *imagetest.DockerImage, f map[string]imagetest.Entry) {
			f["3/layer.tar"] = imagetest.Entry{Name: "3/layer.tar", Type: '2', Link: "/etc/passwd"}
		}, "not exist"},
		"a link to itself": {func(_ *imagetest.DockerImage, f map[string]imagetest.Entry) {
			f["3/layer.tar"] = imagetest.Entry{Name: "3/layer.tar", Type: '2', Link: "layer.tar"}
		}, "not exist"},
		"fewer layers":          {func(m *imagetest.DockerImage, _ map[string]imagetest.Entry) { m.Layers = m.Layers[:1] }, "1 layers"},
		"a name that is a path": {func(m *imagetest.DockerImage, _ map[string]imagetest.Entry) { m.RepoTags = []string{"../x:1"} }, "parse image name"},
	} {
		t.Run(name, func(t *testing.T) {
			s := story.NewStore(t)
			_, err := transfer.Import(t.Context(), s, "docker-archive:"+imagetest.DockerArchive(t, c.change), "", transfer.CopyOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "not exist") {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			if got := story.Names(t, s); len(got) != 0 {
				t.Errorf("the store has %q", got)
			}
		})
	}
}
