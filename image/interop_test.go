// Other tools make images, and read ours. The same image unpacked by umoci
// and by us is the same tree: owner, mode, time, links, content.

package image

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func runTool(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(name, args...)
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		var e *exec.ExitError
		if errors.As(err, &e) {
			stderr = string(e.Stderr)
		}
		tb.Fatalf("%s %s: %v\n%s%s\n(these tests need Debian's skopeo, umoci, buildah and busybox-static)", name, strings.Join(args, " "), err, out, stderr)
	}
	return string(out)
}

// likeUmoci drops what umoci 0.4.7 does not keep: fractions of a second, and
// attributes (it sets them on directories only when it feels like it).
func likeUmoci(tb testing.TB, root string) string {
	lines := treeOf(tb, root)
	for i, l := range lines {
		if strings.HasPrefix(l, "mtime ") {
			lines[i] = l[:strings.LastIndexByte(l, '.')]
		}
	}
	return strings.Join(lines, "\n")
}

func sameAsUmoci(t *testing.T, layout, tag string) {
	t.Helper()
	theirs := filepath.Join(t.TempDir(), "umoci")
	runTool(t, "umoci", "raw", "unpack", "--image", layout+":"+tag, theirs)
	bundle, _, err := unpackIn(t, "oci:"+layout+":"+tag, UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ours, want := likeUmoci(t, filepath.Join(bundle, rootfsName)), likeUmoci(t, theirs)
	if ours != want {
		t.Errorf("umoci has\n%s\nwe have\n%s", want, ours)
	}
}

// What umoci makes: layers by its own differ, with whiteouts.
func TestUmociImage(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "img")
	runTool(t, "umoci", "init", "--layout", layout)
	runTool(t, "umoci", "new", "--image", layout+":v")
	work := filepath.Join(t.TempDir(), "work")
	runTool(t, "umoci", "unpack", "--image", layout+":v", work)
	runTool(t, "cp", "-a", sample(t)+"/.", work+"/rootfs")
	runTool(t, "umoci", "repack", "--image", layout+":v", work)
	runTool(t, "rm", "-r", work+"/rootfs/etc", work+"/rootfs/bin/ash", work+"/rootfs/zz-hardlink")
	runTool(t, "sh", "-c", "mkdir "+work+"/rootfs/bin/ash && echo x > "+work+"/rootfs/bin/ash/f && ln -s f "+work+"/rootfs/etc && touch -d @1234567890 "+work+"/rootfs/bin/ash")
	runTool(t, "umoci", "repack", "--image", layout+":v", work)
	runTool(t, "umoci", "config", "--image", layout+":v", "--config.user", "5:6", "--config.entrypoint", "/bin/sh", "--config.exposedports", "80/tcp")
	sameAsUmoci(t, layout, "v")
}

// What buildah makes, through skopeo in every form it writes.
func TestBuildahImage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STORAGE_DRIVER", "vfs")
	storage := []string{"--root", dir + "/storage", "--runroot", dir + "/run"}
	buildah := func(args ...string) string {
		return strings.TrimSpace(runTool(t, "buildah", append(slices.Clone(storage), args...)...))
	}
	c := buildah("from", "scratch")
	defer func() { buildah("rm", c) }()
	mnt := buildah("mount", c)
	runTool(t, "cp", "-a", sample(t)+"/.", mnt)
	buildah("umount", c)
	buildah("config", "--port", "8080", "--env", "A=b,c", "--cmd", "/bin/sh", "--workingdir", "/root", "--user", "7", c)
	buildah("commit", "--quiet", c, "oci:"+dir+"/img:one")
	buildah("commit", "--quiet", "--format", "docker", c, "docker-archive:"+dir+"/docker.tar:x:y")
	sameAsUmoci(t, dir+"/img", "one")

	want := ""
	for _, form := range [][]string{
		{"oci:" + dir + "/gz:t"},
		{"oci:" + dir + "/zst:t", "--dest-compress-format", "zstd"},
		{"oci:" + dir + "/plain:t", "--dest-decompress"},
		{"oci-archive:" + dir + "/archive.tar:t"},
	} {
		runTool(t, "skopeo", append([]string{"--insecure-policy", "copy", "-q", "docker-archive:" + dir + "/docker.tar", form[0]}, form[1:]...)...)
		bundle, _, err := unpackIn(t, form[0], UnpackOptions{})
		if err != nil {
			t.Errorf("%v: %v", form, err)
			continue
		}
		got := likeUmoci(t, filepath.Join(bundle, rootfsName))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%v: tree is\n%s\nthe first was\n%s", form, got, want)
		}
		data, _ := os.ReadFile(filepath.Join(bundle, configName))
		for _, s := range []string{`"uid": 7`, `"A=b,c"`, `"cwd": "/root"`, `"/bin/sh"`} {
			if !strings.Contains(string(data), s) {
				t.Errorf("%v: no %s in config.json", form, s)
			}
		}
	}
	// Docker's own save format is not OCI: say what to do with it.
	if _, _, err := unpackIn(t, dir+"/docker.tar", UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "runcell image import docker-archive:") {
		t.Errorf("docker-archive: error is %v; want the way out", err)
	}
}

// What we pack, skopeo reads and umoci unpacks to the same tree.
func TestOthersReadOurs(t *testing.T) {
	rootfs := sample(t)
	dir := t.TempDir()
	for _, c := range []Compression{Gzip, Zstd, None} {
		layout := dir + "/" + string(c)
		res, err := Pack(t.Context(), rootfs, "oci:"+layout+":v1", PackOptions{
			Compression: c,
			Config:      v1.ImageConfig{User: "web", Env: []string{"A=b"}, Labels: map[string]string{"k": "v"}, Entrypoint: []string{"/bin/sh"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var seen struct {
			Digest       digest.Digest
			Architecture string
			Os           string
			Labels       map[string]string
			Layers       []digest.Digest
			Env          []string
		}
		if err := json.Unmarshal([]byte(runTool(t, "skopeo", "inspect", "oci:"+layout+":v1")), &seen); err != nil {
			t.Fatal(err)
		}
		host := HostPlatform()
		if seen.Digest != res.Manifest || seen.Os != host.OS || seen.Architecture != host.Architecture ||
			seen.Labels["k"] != "v" || len(seen.Layers) != 1 || seen.Layers[0] != res.Layer || len(seen.Env) != 1 {
			t.Errorf("%s: skopeo sees %+v", c, seen)
		}
		// A full copy makes skopeo verify every blob.
		runTool(t, "skopeo", "--insecure-policy", "copy", "-q", "oci:"+layout+":v1", "oci:"+dir+"/copy-"+string(c)+":v1")
		if c == Zstd {
			continue // umoci 0.4.7 reads no zstd
		}
		theirs := filepath.Join(t.TempDir(), "umoci")
		runTool(t, "umoci", "raw", "unpack", "--image", layout+":v1", theirs)
		if got, want := likeUmoci(t, theirs), likeUmoci(t, rootfs); got != want {
			t.Errorf("%s: umoci unpacked\n%s\nit was\n%s", c, got, want)
		}
	}
	archive := dir + "/img.tar"
	if _, err := Pack(t.Context(), rootfs, "oci-archive:"+archive+":v1", PackOptions{}); err != nil {
		t.Fatal(err)
	}
	runTool(t, "skopeo", "inspect", "oci-archive:"+archive+":v1")
}
