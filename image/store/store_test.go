package store_test

// The store: what comes in is whole or not there, whoever is killed or works
// at the same time, and only what nothing needs goes.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
)

func TestStoreLife(t *testing.T) {
	s := story.NewStore(t)
	base := imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "base"})
	one := story.Import(t, s, "one", base, imagetest.Tar(t, imagetest.Entry{Name: "g"}))
	story.Import(t, s, "example.com/x/two:v2", base, imagetest.Tar(t, imagetest.Entry{Name: "h"}))
	if got := story.Names(t, s); !slices.Equal(got, []string{"example.com/x/two:v2", "localhost/one:latest"}) {
		t.Errorf("names are %q", got)
	}
	for _, name := range []string{"one", "one:latest", "localhost/one", "localhost/one:latest", string(one.Manifest)} {
		b, res, err := story.Unpack(t, name, bundle.UnpackOptions{Store: s.Path()})
		if err != nil {
			t.Errorf("unpack %s: %v", name, err)
			continue
		}
		if _, err := os.Lstat(filepath.Join(b, "rootfs/g")); err != nil || res.Manifest != one.Manifest {
			t.Errorf("unpack %s gave %s (%v); want %s", name, res.Manifest, err, one.Manifest)
		}
	}
	for _, name := range []string{"docker.io/library/one", "two:v2", "one:v1", "nothing", "", "UPPER"} {
		if _, _, err := story.Unpack(t, name, bundle.UnpackOptions{Store: s.Path()}); err == nil {
			t.Errorf("unpack %q: no error", name)
		}
	}
	dry, err := s.GC(t.Context(), true)
	if err != nil || len(dry) != 0 {
		t.Errorf("gc of a store in use: %v, %v; want nothing", dry, err)
	}
	if full, err := s.Remove(t.Context(), false, "one"); err != nil || !slices.Equal(full, []string{"localhost/one:latest"}) {
		t.Errorf("Remove(one) = %q, %v", full, err)
	}
	before := story.Files(t, s)
	if dry, err = s.GC(t.Context(), true); err != nil || len(dry) != 3 { // manifest, config, layer; the base is shared
		t.Errorf("dry run: %v, %v; want 3 blobs", dry, err)
	}
	if got := story.Files(t, s); !slices.Equal(got, before) {
		t.Errorf("the dry run changed %q to %q", before, got)
	}
	done, err := s.GC(t.Context(), false)
	if err != nil || !slices.Equal(done, dry) {
		t.Errorf("gc: %v, %v; want what the dry run said", done, err)
	}
	if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 || v.Blobs != 4 {
		t.Errorf("verify after gc: %+v, %v", v, err)
	}
	if _, err := s.Remove(t.Context(), false, "example.com/x/two:v2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := story.Files(t, s); !slices.Equal(got, []string{"index.json", "oci-layout"}) {
		t.Errorf("the empty store holds %q", got)
	}
}

// A name moves to the newer image; the older one is garbage then.
func TestNameMoves(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "old"}))
	second := story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "new"}))
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].Digest != second.Manifest {
		t.Errorf("list is %+v, %v; want the second image alone", list, err)
	}
	if left, err := s.GC(t.Context(), false); err != nil || len(left) != 3 {
		t.Errorf("gc: %v, %v; want the first image's 3 blobs", left, err)
	}
}

// Members of index.json that are not known here, and entries of other tools,
// survive a change.
func TestIndexKeepsTheUnknown(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	data, _ := os.ReadFile(s.Path() + "/index.json")
	data = []byte(strings.Replace(strings.Replace(string(data), `"schemaVersion":2`, `"schemaVersion":2,"com.example":{"a":1}`, 1), `"digest":`, `"zonk":[1],"digest":`, 1))
	if err := os.WriteFile(s.Path()+"/index.json", data, 0o644); err != nil {
		t.Fatal(err)
	}
	story.Import(t, s, "y", imagetest.Tar(t, imagetest.Entry{Name: "g"}))
	data, _ = os.ReadFile(s.Path() + "/index.json")
	for _, want := range []string{`"com.example":{"a":1}`, `"zonk":[1]`, "localhost/y:latest"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("index.json is %s; want %s in it", data, want)
		}
	}
}

// Many at once: every image arrives whole, and garbage collection takes
// nothing away that is on its way.
func TestStoreConcurrent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	base := imagetest.Tar(t, imagetest.Entry{Name: "base", Body: strings.Repeat("x", 100_000)})
	var layouts []string
	for i := range 8 {
		layouts = append(layouts, imagetest.LayoutOf(t, base, imagetest.Tar(t, imagetest.Entry{Name: fmt.Sprint("f", i)})))
	}
	run := func(f func(*store.Store) error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := store.Open(t.Context(), dir, true)
			if err == nil {
				err = errors.Join(f(s), s.Close())
			}
			errs <- err
		}()
	}
	for i, l := range layouts {
		run(func(s *store.Store) error {
			_, err := transfer.Import(t.Context(), s, l, fmt.Sprint("n", i), transfer.CopyOptions{})
			return err
		})
		run(func(s *store.Store) error { _, err := s.GC(t.Context(), false); return err })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	s := story.OpenStore(t, dir)
	if got := story.Names(t, s); len(got) != len(layouts) {
		t.Errorf("names are %q; want %d", got, len(layouts))
	}
	if v, err := s.Verify(t.Context(), "", store.VerifyOptions{}); err != nil || len(v.Problems) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// Who waits for the store can be interrupted.
func TestStoreLockInterrupted(t *testing.T) {
	s := story.NewStore(t)
	other := story.OpenStore(t, s.Path())
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.GC(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GC of a store in use: %v; want it to wait for the end of the context", err)
	}
}

// What killed processes leave is never taken for a blob, and is swept.
func TestStoreLeftovers(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	old := time.Now().Add(-2 * store.PartAge)
	for _, name := range []string{store.TempStart + "ABC", "sha256-" + strings.Repeat("a", 64), "sha256-" + strings.Repeat("b", 64)} {
		path := filepath.Join(s.Path(), store.IngestDir, name)
		if err := os.WriteFile(path, []byte("torn"), 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "b") {
			os.Chtimes(path, old, old)
		}
	}
	story.Import(t, s, "y", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	if got, _ := os.ReadDir(s.Path() + "/" + store.IngestDir); len(got) != 1 || got[0].Name() != "sha256-"+strings.Repeat("a", 64) {
		t.Errorf("ingest/ holds %v; want only the young part of a blob", got)
	}
	if left, err := s.GC(t.Context(), false); err != nil || len(left) != 1 || left[0].Kind != store.KindPartial {
		t.Errorf("gc: %v, %v; want the part", left, err)
	}
}

func TestStoreRefusesOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/precious", nil, 0o644)
	if s, err := store.Open(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "precious") {
		t.Errorf("OpenStore of a full directory: %v, %v; want an error that names the file", s, err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("the directory holds %v now", list)
	}
	if _, err := store.Open(t.Context(), dir+"/missing", false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenStore of a missing one: %v", err)
	}
}

func TestVerifyAndRepair(t *testing.T) {
	s := story.NewStore(t)
	layers := [][]byte{imagetest.Tar(t, imagetest.Entry{Name: "f", Body: strings.Repeat("x", 1000)})}
	layout := imagetest.LayoutOf(t, layers...)
	imp := func() {
		t.Helper()
		if _, err := transfer.Import(t.Context(), s, layout, "x", transfer.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	imp()
	img, _, err := s.Find("x", manifest.Want{Platform: manifest.HostPlatform()})
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(s.Path(), verify.BlobName(img.Layers[0].Digest))
	data, _ := os.ReadFile(blob)
	data[len(data)/2] ^= 1
	if err := os.WriteFile(blob, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := story.Unpack(t, "x", bundle.UnpackOptions{Store: s.Path()}); err == nil {
		t.Error("a damaged layer was unpacked")
	}
	for _, o := range []store.VerifyOptions{{}, {Repair: true}} {
		v, err := s.Verify(t.Context(), "x", o)
		if err != nil || len(v.Problems) != 1 || v.Problems[0].Digest != img.Layers[0].Digest || v.Problems[0].Removed != o.Repair {
			t.Errorf("Verify(%+v) = %+v, %v; want the layer", o, v, err)
		}
	}
	if v, _ := s.Verify(t.Context(), "x", store.VerifyOptions{}); len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "missing") {
		t.Errorf("after the repair: %+v; want a missing blob", v)
	}
	imp()
	if v, _ := s.Verify(t.Context(), "x", store.VerifyOptions{}); len(v.Problems) != 0 {
		t.Errorf("after another import: %+v", v)
	}
}

// Garbage collection doesn't guess what a damaged image needs.
func TestGCOfDamagedStore(t *testing.T) {
	s := story.NewStore(t)
	c := story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	story.Import(t, s, "y", imagetest.Tar(t, imagetest.Entry{Name: "g"}))
	s.Remove(t.Context(), false, "y")
	path := filepath.Join(s.Path(), verify.BlobName(c.Manifest))
	data, _ := os.ReadFile(path)
	os.WriteFile(path, append(data[:len(data)-1], ' '), 0o644)
	before := story.Files(t, s)
	if _, err := s.GC(t.Context(), false); err == nil {
		t.Error("gc of a damaged store: no error")
	}
	if got := story.Files(t, s); !slices.Equal(got, before) {
		t.Errorf("gc of a damaged store left %q of %q", got, before)
	}
}
