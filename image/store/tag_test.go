package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
)

// A second name is one like the first: it keeps the image when the other one goes.
func TestTag(t *testing.T) {
	s := story.NewStore(t)
	ctx := t.Context()
	x := story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"})).Manifest
	y := story.Import(t, s, "y", imagetest.Tar(t, imagetest.Entry{Name: "g"})).Manifest
	tag := func(from, to, want string, gone ...digest.Digest) {
		t.Helper()
		full, before, err := s.Tag(ctx, from, to)
		if err != nil || full != want || !slices.Equal(before, gone) {
			t.Errorf("tag %s %s: %q, %v, %v; want %q, %v", from, to, full, before, err, want, gone)
		}
	}
	is := func(name string, want digest.Digest) {
		t.Helper()
		if _, found, err := s.Lookup(name); err != nil || len(found) != 1 || found[0].Digest != want {
			t.Errorf("%s is %v, %v; want %s", name, found, err, want)
		}
	}
	tag("x", "web", "localhost/web:latest")
	tag("x:latest", "example.com/web:1", "example.com/web:1")
	tag("x", "x", "localhost/x:latest") // nothing to do
	tag("x", "web", "localhost/web:latest")
	tag(string(y), "docker.io/library/y:2", "docker.io/library/y:2")
	is("web", x)
	is("example.com/web:1", x)
	is("y:2", y)
	tag("y", "web", "localhost/web:latest", x) // it moves
	is("web", y)
	is("x", x)
	if _, err := s.Remove(ctx, false, "x", "y", "y:2"); err != nil {
		t.Fatal(err)
	}
	if left, err := s.GC(ctx, false); err != nil || len(left) != 0 {
		t.Errorf("gc takes %v, %v of what has another name", left, err)
	}
	is("web", y)
	is("example.com/web:1", x)
	if v, err := s.Verify(ctx, "web", store.VerifyOptions{}); err != nil || len(v.Problems) > 0 || v.Blobs != 3 {
		t.Errorf("verify by the new name: %+v, %v", v, err)
	}
	before := story.Files(t, s)
	for _, c := range []struct{ from, to, want string }{
		{"nothing", "z", "no image"},
		{"web", "a@" + string(x), "can't be named by a digest"},
		{"web", "A B", "parse image name"},
		{"web", "oci:/tmp/x", "parse image name"},
	} {
		if full, _, err := s.Tag(ctx, c.from, c.to); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("tag %s %s: %q, %v; want %q", c.from, c.to, full, err, c.want)
		}
	}
	if got := story.Files(t, s); !slices.Equal(got, before) {
		t.Errorf("an error changed %q to %q", before, got)
	}
}

// An image for several platforms is one for them under its second name.
func TestTagOfAnIndex(t *testing.T) {
	s := story.NewStore(t)
	l := imagetest.Platforms(t, true, "netbsd/amd64", "linux/arm64")
	if _, err := transfer.Import(t.Context(), s, l.Dir, "x", transfer.CopyOptions{AllPlatforms: true}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Tag(t.Context(), "x", "y"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(t.Context(), false, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, platform := range []string{"netbsd/amd64", "linux/arm64"} {
		p, err := manifest.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Find("y", manifest.Want{Platform: p}); err != nil {
			t.Errorf("%s: %v", platform, err)
		}
	}
}

// A new name is no way around the policy: neither for what is refused, nor into a
// name whose images have to be signed.
func TestTagAsksThePolicy(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	key, err := filepath.Abs("../trust/testdata/signify.pub")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		policy, to string
		ok         bool
	}{
		{"localhost/ accept\ndefault refuse\n", "y", true},
		{"localhost/ accept\ndefault refuse\n", "example.com/y:1", false},
		{"localhost/ accept\ndefault key " + key + "\n", "example.com/y:1", false},
		{"localhost/x refuse\ndefault accept\n", "y", false},
		{"localhost/x key " + key + "\ndefault accept\n", "y", false},
		{"no policy", "y", false},
	} {
		if err := os.WriteFile(filepath.Join(s.Path(), "policy"), []byte(c.policy), 0o644); err != nil {
			t.Fatal(err)
		}
		if full, _, err := s.Tag(t.Context(), "x", c.to); (err == nil) != c.ok || err != nil && !errors.Is(err, trust.ErrRefused) {
			t.Errorf("%q: tag gives %q, %v", c.policy, full, err)
		}
	}
}
