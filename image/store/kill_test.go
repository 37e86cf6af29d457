package store_test

// Whoever is killed in the middle of whatever: what has a name is whole.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
)

// killsVar says how many processes TestKills kills; the default is for every
// day.
const killsVar = "RUNCELL_STORE_KILLS"

// killImages are the images that come and go; they share a layer.
var killImages = []string{"a", "b"}

// killStep is a command of the store. dir holds the store, the layouts and
// the bundles; own is the path of a bundle that nobody else uses.
type killStep func(ctx context.Context, s *store.Store, dir, name, own string) error

func killMake(kind string) killStep {
	return func(ctx context.Context, s *store.Store, _, name, own string) error {
		_, err := bundle.Make(ctx, s, name, own, bundle.MakeOptions{Rootfs: kind, UnpackOptions: bundle.UnpackOptions{NoSync: true}})
		return err
	}
}

var killSteps = []killStep{
	func(ctx context.Context, s *store.Store, dir, name, _ string) error {
		_, err := transfer.Import(ctx, s, filepath.Join(dir, name), name, transfer.CopyOptions{})
		return err
	},
	func(ctx context.Context, s *store.Store, _, name, _ string) error {
		_, err := s.Remove(ctx, false, name)
		return err
	},
	func(ctx context.Context, s *store.Store, _, name, _ string) error {
		if _, _, err := s.Tag(ctx, name, "tagged"); err != nil {
			return err
		}
		_, err := s.Remove(ctx, false, "tagged")
		return err
	},
	killMake(bundle.RootfsShared),
	killMake(bundle.RootfsCopy),
	func(_ context.Context, s *store.Store, _, _, own string) error { return bundle.Release(s, own) },
	func(ctx context.Context, s *store.Store, _, _, _ string) error {
		_, err := s.GC(ctx, false)
		return err
	},
	func(ctx context.Context, s *store.Store, _, _, _ string) error {
		_, err := s.Verify(ctx, "", store.VerifyOptions{All: true, Repair: true})
		return err
	},
}

// killChild does one thing after the other until it is killed. That some fail,
// for want of the image for example, is in the nature of it.
func killChild(dir string) {
	slot := os.Getenv("SLOT")
	fmt.Println("ready")
	for ctx := context.Background(); ; {
		s, err := store.Open(ctx, filepath.Join(dir, "store"), true)
		if err != nil {
			continue
		}
		step := killSteps[rand.IntN(len(killSteps))]
		own := filepath.Join(dir, "bundles", slot+strconv.Itoa(rand.IntN(2)))
		_ = step(ctx, s, dir, killImages[rand.IntN(len(killImages))], own)
		_ = s.Close()
	}
}

// startKillChild starts the test again as its child, and returns when that works.
func startKillChild(t *testing.T, dir, slot string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = []string{imagetest.ChildVar + "=" + dir, "SLOT=" + slot, "TMPDIR=" + dir}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(io.LimitReader(out, 100)).ReadString('\n'); err != nil || line != "ready\n" {
		_ = cmd.Process.Kill()
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd
}

// Two processes at once work on a store and are killed at any moment. Every
// blob is what its name says, every image has all of its blobs, and every root
// file system that a cell could run on is the image's.
func TestKills(t *testing.T) {
	if dir := os.Getenv(imagetest.ChildVar); dir != "" {
		killChild(dir)
	}
	kills := 40
	if v := os.Getenv(killsVar); v != "" {
		var err error
		if kills, err = strconv.Atoi(v); err != nil {
			t.Fatalf("%s: %v", killsVar, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bundles"), 0o755); err != nil {
		t.Fatal(err)
	}
	good := map[string]bool{}
	for _, name := range killImages {
		layout := imagetest.LayoutOf(t, killLayer(t, "base"), killLayer(t, name))
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(layout)); err != nil {
			t.Fatal(err)
		}
		s := story.NewStore(t)
		if _, err := transfer.Import(t.Context(), s, layout, name, transfer.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		_, spec := story.MakeBundle(t, s, name, bundle.RootfsShared)
		good[strings.Join(imagetest.Tree(t, spec.Root.Path), "\n")] = true
	}
	for done := 0; done < kills && !t.Failed(); done += 2 {
		one, two := startKillChild(t, dir, "x"), startKillChild(t, dir, "y")
		for _, c := range []*exec.Cmd{one, two} {
			time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond)
			_ = c.Process.Kill()
		}
		_, _ = one.Wait(), two.Wait()
		checkKilled(t, dir, good)
	}
}

// A gc that is killed while it removes a root file system leaves nothing that
// the next cell would run on.
func TestKilledGC(t *testing.T) {
	const files = 3000
	if dir := os.Getenv(imagetest.ChildVar); dir != "" {
		fmt.Println("ready")
		if s, err := store.Open(t.Context(), dir, false); err == nil {
			_, _ = s.GC(t.Context(), false)
		}
		return
	}
	s := story.NewStore(t)
	var list []imagetest.Entry
	for i := range files {
		list = append(list, imagetest.Entry{Name: fmt.Sprint("d/", i)})
	}
	layer := imagetest.Tar(t, list...)
	count := func(root string) int {
		names, _ := os.ReadDir(filepath.Join(root, "d"))
		return len(names)
	}
	for range 2 {
		story.Import(t, s, "x", layer)
		b, spec := story.MakeBundle(t, s, "x", bundle.RootfsShared)
		if n := count(spec.Root.Path); n != files {
			t.Fatalf("a new cell has %d of %d files", n, files)
		}
		if err := bundle.Release(s, b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Remove(t.Context(), false, "x"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil { // gc waits for it
			t.Fatal(err)
		}
		c := startKillChild(t, s.Path(), "")
		for end := time.Now().Add(time.Minute); count(spec.Root.Path) == files; {
			if time.Now().After(end) {
				t.Fatal("gc removes nothing")
			}
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		s = story.OpenStore(t, s.Path())
	}
}

// killLayer has enough files that to make or remove them takes a while.
func killLayer(t *testing.T, name string) []byte {
	var list []imagetest.Entry
	for i := range 8 {
		sub := fmt.Sprintf("%s/%d/", name, i)
		list = append(list, imagetest.Entry{Name: sub})
		for j := range 20 {
			list = append(list, imagetest.Entry{Name: sub + strconv.Itoa(j), Body: name})
		}
	}
	return imagetest.Tar(t, list...)
}

// checkKilled looks at what is left. Nobody works on the store.
func checkKilled(t *testing.T, dir string, good map[string]bool) {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(dir, "store"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	roots := globs(s.Path(), store.UnpackedDir+"/*/rootfs")
	for _, b := range globs(dir, "bundles/*/config.json") {
		o, err := bundle.ReadOrigin(filepath.Dir(b))
		if err != nil {
			t.Fatal(err)
		}
		if root := story.Spec(t, filepath.Dir(b)).Root.Path; o.Rootfs == bundle.RootfsCopy {
			roots = append(roots, root)
		} else if _, err := os.Lstat(root); err != nil {
			t.Errorf("a cell has no root: %v", err)
		}
	}
	for _, root := range roots {
		if tree := imagetest.Tree(t, root); !good[strings.Join(tree, "\n")] {
			t.Errorf("%s has %d entries, and is no image's root", root, len(tree))
		}
	}
}

func globs(dir, pattern string) []string {
	list, _ := filepath.Glob(filepath.Join(dir, pattern))
	return list
}

// A store of before the mark of completeness can have a truncated root file
// system under a good name: nobody gets it, and whoever runs on it keeps it.
func TestUnpackedOfOldStore(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}, imagetest.Entry{Name: "g"}))
	one, spec := story.MakeBundle(t, s, "x", bundle.RootfsShared)
	base := filepath.Dir(spec.Root.Path)
	for _, gone := range []string{"rootfs/f", "complete"} {
		if err := os.Remove(filepath.Join(base, gone)); err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.Open(spec.Root.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for _, kind := range []string{bundle.RootfsCopy, bundle.RootfsShared} {
		_, spec := story.MakeBundle(t, s, "x", kind)
		if _, err := os.Lstat(filepath.Join(spec.Root.Path, "f")); err != nil {
			t.Errorf("%s: the root is the truncated one: %v", kind, err)
		}
	}
	count := func(want int) {
		t.Helper()
		if _, err := s.GC(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if list := globs(s.Path(), store.UnpackedDir+"/*"); len(list) != want {
			t.Errorf("unpacked/ has %q; want %d", list, want)
		}
	}
	count(2)
	if names, err := held.Readdirnames(-1); err != nil || len(names) == 0 {
		t.Errorf("gc emptied the root of a cell: %v", err)
	}
	for _, c := range globs(s.Path(), "cells/*") {
		os.RemoveAll(c) // every cell ends
	}
	count(1)
	os.RemoveAll(one)
}
