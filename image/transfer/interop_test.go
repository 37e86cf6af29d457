package transfer_test

// The store and other tools: what they make is imported and pulled, what we
// make they read, and a real registry is between us, also over a line that
// breaks.

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/pack"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
)

// realRegistry starts Debian's docker-registry on a free port of the loopback
// interface and gives its address.
func realRegistry(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	config := filepath.Join(t.TempDir(), "config.yml")
	os.WriteFile(config, []byte("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: "+t.TempDir()+"}}\nhttp: {addr: "+addr+"}\n"), 0o644)
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // it takes REGISTRY_AUTH_FILE for configuration
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v\n(this test needs Debian's docker-registry)", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + addr + "/v2/")
		if err == nil {
			resp.Body.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatalf("the registry does not answer: %v\n%s", err, log.String())
		}
	}
}

// flakyLine forwards connections to addr and cuts the first cuts of them that
// carry more than limit bytes, in either direction.
func flakyLine(t *testing.T, addr string, limit int64, cuts int32) (string, *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var done atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				up, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				defer up.Close()
				most := int64(1) << 40
				carry := func(to, from net.Conn, ended chan<- bool) {
					if done.Load() < cuts {
						most = limit
					}
					n, _ := io.CopyN(to, from, most)
					ended <- n == most
				}
				ended := make(chan bool, 2)
				go carry(up, c, ended)
				go carry(c, up, ended)
				if <-ended {
					done.Add(1)
				}
			}()
		}
	}()
	return l.Addr().String(), &done
}

// Push and pull over a line that breaks in the middle of blobs, and what
// skopeo sees of it.
func TestRealRegistry(t *testing.T) {
	imagetest.ShortBackoff(t)
	addr := realRegistry(t)
	rootfs := imagetest.Sample(t)
	os.WriteFile(rootfs+"/big", []byte(imagetest.Noise(4<<20)), 0o644)
	want := strings.Join(imagetest.Tree(t, rootfs), "\n")
	s := story.NewStore(t)
	layout := filepath.Join(t.TempDir(), "img")
	if _, err := pack.Pack(t.Context(), rootfs, "oci:"+layout+":v1", pack.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Import(t.Context(), s, "oci:"+layout+":v1", "web", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	up, cut := flakyLine(t, addr, 1<<20, 2)
	pushed, err := transfer.Push(t.Context(), s, "web", up+"/a/web:v1", transfer.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if cut.Load() == 0 {
		t.Error("no upload was cut")
	}
	if again, err := transfer.Push(t.Context(), s, "web", addr+"/a/web:v1", transfer.PushOptions{}); err != nil || again.Manifest != pushed.Manifest {
		t.Errorf("pushed again: %+v, %v", again, err)
	}

	down, cut := flakyLine(t, addr, 1<<20, 3)
	other := story.NewStore(t)
	var retries, resumed int
	_, err = transfer.Pull(t.Context(), other, down+"/a/web:v1", registry.Options{}, transfer.CopyOptions{Progress: func(x store.Transfer) {
		if x.Retry != nil {
			retries++
			if x.Done > 1<<19 {
				resumed++
			}
		}
	}})
	if err != nil || cut.Load() == 0 || retries == 0 || resumed == 0 {
		t.Fatalf("pull over a broken line: %v; %d cuts, %d new attempts, %d of them far on", err, cut.Load(), retries, resumed)
	}
	bundle, _, err := story.Unpack(t, down+"/a/web:v1", bundle.UnpackOptions{Store: other.Path()})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(imagetest.Tree(t, filepath.Join(bundle, "rootfs")), "\n"); got != want {
		t.Errorf("tree is\n%s\nwas\n%s", got, want)
	}

	theirs := filepath.Join(t.TempDir(), "skopeo")
	imagetest.RunTool(t, "skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "docker://"+addr+"/a/web:v1", "oci:"+theirs+":v1")
	story.SameAsUmoci(t, theirs, "v1")
	imagetest.RunTool(t, "skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "--format", "v2s2", "oci:"+theirs+":v1", "docker://"+addr+"/b/web:v2")
	if _, err := transfer.Pull(t.Context(), other, addr+"/b/web:v2", registry.Options{}, transfer.CopyOptions{}); err != nil {
		t.Errorf("pull what skopeo pushed in docker's form: %v", err)
	}
	if _, err := transfer.Pull(t.Context(), other, addr+"/a/web:v3", registry.Options{}, transfer.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("pull of a missing tag: %v", err)
	}
	if _, err := transfer.Pull(t.Context(), other, addr+"/a/web@"+string(pushed.Manifest), registry.Options{}, transfer.CopyOptions{}); err != nil {
		t.Errorf("pull by digest: %v", err)
	}
}

// The line is dead: the pull fails in time and leaves nothing that counts.
func TestRealRegistryDies(t *testing.T) {
	imagetest.ShortBackoff(t)
	addr := realRegistry(t)
	s := story.NewStore(t)
	layout := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 20)}))
	if _, err := transfer.Import(t.Context(), s, layout, "x", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Push(t.Context(), s, "x", addr+"/x:1", transfer.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	line, _ := flakyLine(t, addr, 20_000, 1<<30)
	other := story.NewStore(t)
	_, err := transfer.Pull(t.Context(), other, line+"/nothing/x:1", registry.Options{}, transfer.CopyOptions{})
	if err == nil {
		t.Error("an image that does not exist was pulled")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	line, _ = flakyLine(t, addr, 200, 1<<30) // less than the header of an answer
	if _, err := transfer.Pull(ctx, other, line+"/x:1", registry.Options{}, transfer.CopyOptions{}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("pull over a dead line: %v; want it to give up", err)
	}
	story.NoTrace(t, other)
}

// What podman makes is imported, in every form that it saves, and what is in
// the store is read by podman, buildah, skopeo and umoci.
func TestStoreAndOtherTools(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STORAGE_DRIVER", "vfs")
	run, err := os.MkdirTemp("", "run-") // podman takes 50 characters at most
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	storage := []string{"--root", dir + "/storage", "--runroot", run}
	tool := func(name string, args ...string) string {
		return strings.TrimSpace(imagetest.RunTool(t, name, append(slices.Clone(storage), args...)...))
	}
	rootfs := imagetest.Sample(t)
	imagetest.RunTool(t, "tar", "-C", rootfs, "--exclude=./etc/n*", "-cf", dir+"/rootfs.tar", ".")
	tool("podman", "import", "--quiet", "--change", "CMD=/bin/sh", dir+"/rootfs.tar", "example.com/made/by-podman:1")
	s := story.NewStore(t)
	trees := map[string]string{}
	for _, form := range []string{"oci-archive", "docker-archive"} {
		tool("podman", "save", "--quiet", "--format", form, "-o", dir+"/"+form+".tar", "example.com/made/by-podman:1")
		name := "podman-" + form
		if _, err := transfer.Import(t.Context(), s, form+":"+dir+"/"+form+".tar", name, transfer.CopyOptions{}); err != nil {
			t.Fatalf("import %s: %v", form, err)
		}
		b, _, err := story.Unpack(t, name, bundle.UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Fatalf("unpack %s: %v", form, err)
		}
		trees[form] = imagetest.TreeLikeUmoci(t, filepath.Join(b, "rootfs"))
	}
	if trees["oci-archive"] != trees["docker-archive"] {
		t.Errorf("podman's two forms differ:\n%s\n%s", trees["oci-archive"], trees["docker-archive"])
	}
	// Names come along where the form has them.
	if list, err := transfer.Import(t.Context(), s, "docker-archive:"+dir+"/docker-archive.tar", "", transfer.CopyOptions{}); err != nil || list[0].Name != "example.com/made/by-podman:1" {
		t.Errorf("import without a name: %v, %v", list, err)
	}

	layout := filepath.Join(dir, "ours")
	if _, err := pack.Pack(t.Context(), rootfs, "oci:"+layout+":v1", pack.Options{Compression: image.Gzip}); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Import(t.Context(), s, "oci:"+layout+":v1", "ours:1", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	in := s.Path() + ":localhost/ours:1"
	imagetest.RunTool(t, "skopeo", "inspect", "oci:"+in)
	imagetest.RunTool(t, "umoci", "unpack", "--image", in, dir+"/umoci")
	if got, want := imagetest.TreeLikeUmoci(t, dir+"/umoci/rootfs"), imagetest.TreeLikeUmoci(t, rootfs); got != want {
		t.Errorf("umoci unpacked\n%s\nwant\n%s", got, want)
	}
	// These two take everything after the first colon for a name and refuse
	// upper case in it: a link of a plain name leads to the store.
	lower, err := os.MkdirTemp("", "store-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(lower)
	imagetest.RunTool(t, "ln", "-s", s.Path(), lower+"/link")
	ctr := tool("buildah", "from", "oci:"+lower+"/link:localhost/ours:1")
	got := imagetest.TreeLikeUmoci(t, tool("buildah", "mount", ctr))
	tool("buildah", "umount", ctr)
	tool("buildah", "rm", ctr)
	if want := imagetest.TreeLikeUmoci(t, rootfs); imagetest.BelowRoot(got) != imagetest.BelowRoot(want) {
		t.Errorf("buildah has\n%s\nwant\n%s", got, want)
	}
	tool("podman", "pull", "--quiet", "oci:"+lower+"/link:localhost/ours:1")
	archive := filepath.Join(dir, "out.tar")
	if _, err := transfer.Push(t.Context(), s, "ours:1", "oci-archive:"+archive, transfer.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := tool("podman", "load", "--quiet", "-i", archive); !strings.Contains(out, "localhost/ours:1") {
		t.Errorf("podman load says %q", out)
	}
	if _, err := transfer.Push(t.Context(), s, "ours:1", "oci:"+layout+":again", transfer.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := imagetest.RunTool(t, "umoci", "ls", "--layout", layout); !strings.Contains(out, "again\n") || !strings.Contains(out, "v1\n") {
		t.Errorf("umoci ls: %q", out)
	}
	if _, err := transfer.Push(t.Context(), s, "ours:1", "", transfer.PushOptions{}); err == nil || !strings.Contains(err.Error(), "on this machine only") {
		t.Errorf("push of a local name: %v", err)
	}
	if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}
