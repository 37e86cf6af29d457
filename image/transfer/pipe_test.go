package transfer_test

// Archives that come through a pipe, and what is no archive.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/transfer"
	"golang.org/x/sys/unix"
)

// piped gives this process a standard input through which content comes.
func piped(t *testing.T, content []byte) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(r.Fd()), 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Dup3(old, 0, 0); err != nil {
			t.Error(err)
		}
		_ = unix.Close(old)
	})
	go func() {
		_, _ = w.Write(content) // fails once nobody reads
		_ = w.Close()
	}()
	return "/dev/stdin"
}

// What docker save and podman save print can be imported as it comes.
func TestImportFromPipe(t *testing.T) {
	docker, err := os.ReadFile(imagetest.DockerArchive(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	oci := filepath.Join(t.TempDir(), "img.tar")
	if _, err := pack.Pack(t.Context(), plainTree(t), "oci-archive:"+oci+":base:1", pack.Options{}); err != nil {
		t.Fatal(err)
	}
	layout, err := os.ReadFile(oci)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		transport string
		content   []byte
		name      string
	}{
		"docker":       {"docker-archive:", docker, ""},
		"docker, gzip": {"docker-archive:", imagetest.Compress(t, docker, image.Gzip), ""},
		"oci":          {"oci-archive:", layout, "base:1"},
		"oci, zstd":    {"oci-archive:", imagetest.Compress(t, layout, image.Zstd), "base:1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := story.NewStore(t)
			list, err := transfer.Import(t.Context(), s, c.transport+piped(t, c.content), c.name, transfer.CopyOptions{})
			if err != nil || len(list) == 0 {
				t.Fatalf("%v, %v", list, err)
			}
			if _, _, err := story.Unpack(t, list[0].Name, bundle.UnpackOptions{Store: s.Path()}); err != nil {
				t.Error(err)
			}
		})
	}
	limits := image.DefaultLimits()
	limits.MaxSize = 1000
	if _, err := transfer.Import(t.Context(), story.NewStore(t), "docker-archive:"+piped(t, docker), "", transfer.CopyOptions{Limits: &limits}); err == nil || !strings.Contains(err.Error(), "--max-size") {
		t.Errorf("more than the limit through a pipe: %v", err)
	}
}

// No FIFO is waited for, no device is read.
func TestArchiveIsNoFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"docker-archive:" + fifo, "oci-archive:" + fifo, "docker-archive:/dev/zero", "oci-archive:/dev/zero", "docker-archive:/"} {
		if _, err := transfer.Import(t.Context(), story.NewStore(t), name, "x:1", transfer.CopyOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func plainTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
