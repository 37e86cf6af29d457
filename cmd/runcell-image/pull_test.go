package main

// A pull that is killed, again and again.

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// slowRegistry serves the only image of a layout as x:1, some KiB a
// millisecond, and counts the bytes of blobs.
type slowRegistry struct {
	layout string
	root   v1.Descriptor
	sent   atomic.Int64
}

func (s *slowRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/x/"), "/")
	if id == "1" {
		id = string(s.root.Digest)
	}
	data, err := os.ReadFile(filepath.Join(s.layout, "blobs", strings.Replace(id, ":", "/", 1)))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if kind == "manifests" {
		w.Header().Set("Content-Type", s.root.MediaType)
	}
	http.ServeContent(slowWriter{w, s}, r, "", time.Time{}, bytes.NewReader(data))
}

type slowWriter struct {
	http.ResponseWriter
	to *slowRegistry
}

func (w slowWriter) Write(p []byte) (sent int, err error) {
	for len(p) > 0 && err == nil {
		var n int
		n, err = w.ResponseWriter.Write(p[:min(16<<10, len(p))])
		w.ResponseWriter.(http.Flusher).Flush()
		w.to.sent.Add(int64(n))
		p, sent = p[n:], sent+n
		time.Sleep(time.Millisecond)
	}
	return sent, err
}

// However often a pull is killed, the store has no image, no torn blob and
// nothing that verify finds fault with, and the next pull goes on from where
// the one before was.
func TestImagePullKilled(t *testing.T) {
	asChild()
	dir, rootfs := t.TempDir(), imageRootfs(t)
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	if err := os.WriteFile(rootfs+"/noise", noise, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := runImage("image", "pack", rootfs, dir+"/img"); status != 0 {
		t.Fatal(stderr)
	}
	index, err := os.ReadFile(dir + "/img/index.json")
	var x v1.Index
	if err != nil || json.Unmarshal(index, &x) != nil || len(x.Manifests) != 1 {
		t.Fatalf("%s: %v", index, err)
	}
	reg := &slowRegistry{layout: dir + "/img", root: x.Manifests[0]}
	server := httptest.NewServer(reg)
	defer server.Close()
	name := strings.TrimPrefix(server.URL, "http://") + "/x:1"
	store := dir + "/store"
	t.Setenv("REGISTRY_AUTH_FILE", "/dev/null")

	const kills = 5
	for i := range kills {
		before := reg.sent.Load()
		cmd := child(t, "pull", "--store", store, name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); reg.sent.Load() < before+int64(len(noise)/(kills+2)); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("kill %d: only %d bytes came", i, reg.sent.Load()-before)
			}
		}
		cmd.Process.Kill()
		if cmd.Wait(); cmd.ProcessState.Success() {
			t.Fatalf("kill %d came too late", i)
		}
		if out, stderr, status := runImage("image", "list", "--store", store); status != 0 || strings.Contains(out, "x") {
			t.Errorf("kill %d: list gives %q, %q", i, out, stderr)
		}
		blobs, _ := filepath.Glob(store + "/blobs/*/*")
		for _, b := range blobs {
			if fi, err := os.Stat(b); err != nil || fi.Size() > 1<<20 {
				t.Errorf("kill %d: the store has the blob %s of %d bytes, %v", i, b, fi.Size(), err)
			}
		}
		if out, stderr, status := runImage("image", "verify", "--store", store, "--all"); status != 0 {
			t.Errorf("kill %d: verify gives %q, %q", i, out, stderr)
		}
	}
	if out, stderr, status := runImage("image", "pull", "--store", store, name); status != 0 {
		t.Fatalf("the last pull: %q, %q", out, stderr)
	}
	if sent := reg.sent.Load(); sent > int64(len(noise))*3/2 {
		t.Errorf("%d bytes were sent of an image of %d: the pulls did not go on from one another", sent, len(noise))
	}
	for _, args := range [][]string{{"verify", "--store", store, "--all"}, {"unpack", "--no-sync", "--store", store, name, dir + "/bundle"}} {
		if _, stderr, status := runImage(append([]string{"image"}, args...)...); status != 0 {
			t.Errorf("image %s: %s", args[0], stderr)
		}
	}
	if got, err := os.ReadFile(dir + "/bundle/rootfs/noise"); err != nil || !bytes.Equal(got, noise) {
		t.Errorf("the content is not what was packed: %d bytes, %v", len(got), err)
	}
	if left, _ := os.ReadDir(store + "/ingest"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
