package bundle_test

// Other tools make images. The same image unpacked by umoci and by us is the
// same tree: owner, mode, time, links, content.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
)

// What umoci makes: layers by its own differ, with whiteouts.
func TestUmociImage(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "img")
	imagetest.RunTool(t, "umoci", "init", "--layout", layout)
	imagetest.RunTool(t, "umoci", "new", "--image", layout+":v")
	work := filepath.Join(t.TempDir(), "work")
	imagetest.RunTool(t, "umoci", "unpack", "--image", layout+":v", work)
	imagetest.RunTool(t, "cp", "-a", imagetest.Sample(t)+"/.", work+"/rootfs")
	imagetest.RunTool(t, "umoci", "repack", "--image", layout+":v", work)
	imagetest.RunTool(t, "rm", "-r", work+"/rootfs/etc", work+"/rootfs/bin/ash", work+"/rootfs/zz-hardlink")
	imagetest.RunTool(t, "sh", "-c", "mkdir "+work+"/rootfs/bin/ash && echo x > "+work+"/rootfs/bin/ash/f && ln -s f "+work+"/rootfs/etc && touch -d @1234567890 "+work+"/rootfs/bin/ash")
	imagetest.RunTool(t, "umoci", "repack", "--image", layout+":v", work)
	imagetest.RunTool(t, "umoci", "config", "--image", layout+":v", "--config.user", "5:6", "--config.entrypoint", "/bin/sh", "--config.exposedports", "80/tcp")
	story.SameAsUmoci(t, layout, "v")
}

// What buildah makes, through skopeo in every form it writes.
func TestBuildahImage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STORAGE_DRIVER", "vfs")
	storage := []string{"--root", dir + "/storage", "--runroot", dir + "/run"}
	buildah := func(args ...string) string {
		return strings.TrimSpace(imagetest.RunTool(t, "buildah", append(slices.Clone(storage), args...)...))
	}
	c := buildah("from", "scratch")
	defer func() { buildah("rm", c) }()
	mnt := buildah("mount", c)
	imagetest.RunTool(t, "cp", "-a", imagetest.Sample(t)+"/.", mnt)
	buildah("umount", c)
	buildah("config", "--port", "8080", "--env", "A=b,c", "--cmd", "/bin/sh", "--workingdir", "/root", "--user", "7", c)
	buildah("commit", "--quiet", c, "oci:"+dir+"/img:one")
	buildah("commit", "--quiet", "--format", "docker", c, "docker-archive:"+dir+"/docker.tar:x:y")
	story.SameAsUmoci(t, dir+"/img", "one")

	want := ""
	for _, form := range [][]string{
		{"oci:" + dir + "/gz:t"},
		{"oci:" + dir + "/zst:t", "--dest-compress-format", "zstd"},
		{"oci:" + dir + "/plain:t", "--dest-decompress"},
		{"oci-archive:" + dir + "/archive.tar:t"},
	} {
		imagetest.RunTool(t, "skopeo", append([]string{"--insecure-policy", "copy", "-q", "docker-archive:" + dir + "/docker.tar", form[0]}, form[1:]...)...)
		bundle, _, err := story.Unpack(t, form[0], bundle.UnpackOptions{})
		if err != nil {
			t.Errorf("%v: %v", form, err)
			continue
		}
		got := imagetest.TreeLikeUmoci(t, filepath.Join(bundle, "rootfs"))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%v: tree is\n%s\nthe first was\n%s", form, got, want)
		}
		data, _ := os.ReadFile(filepath.Join(bundle, "config.json"))
		for _, s := range []string{`"uid": 7`, `"A=b,c"`, `"cwd": "/root"`, `"/bin/sh"`} {
			if !strings.Contains(string(data), s) {
				t.Errorf("%v: no %s in config.json", form, s)
			}
		}
	}
	// Docker's own save format is not OCI: say what to do with it.
	if _, _, err := story.Unpack(t, dir+"/docker.tar", bundle.UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "runcell image import docker-archive:") {
		t.Errorf("docker-archive: error is %v; want the way out", err)
	}
}
