package layer_test

// Images of many random entries, unpacked by umoci, by skopeo and umoci, and
// by us: not one difference but the explained ones.

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// randomImage makes layers that add, replace, link and hide at random.
type randomImage struct {
	rnd    *rand.Rand
	layer  int
	dirs   []string
	files  []string       // all but directories
	made   map[string]int // in which layer
	serial int
	out    []imagetest.Entry
}

func randomLayers(tb testing.TB, seed uint64, layers, entries int) [][]byte {
	m := &randomImage{rnd: rand.New(rand.NewPCG(seed, 0)), made: map[string]int{}}
	m.dirs = []string{""}
	var list [][]byte
	for m.layer = range layers {
		m.out = nil
		for range entries {
			m.entry()
		}
		list = append(list, imagetest.Tar(tb, m.out...))
	}
	return list
}

func pick(rnd *rand.Rand, list []string) string { return list[rnd.IntN(len(list))] }

func (m *randomImage) put(e imagetest.Entry) {
	e.UID, e.GID = m.rnd.Int64N(3)*500, m.rnd.Int64N(3)*50
	if e.Mode == 0 {
		e.Mode = []int64{0o644, 0o600, 0o755, 0o4755, 0o2711, 0o6555, 0o1777, 0o10000}[m.rnd.IntN(8)]
	}
	e.ModTime = time.Unix(m.rnd.Int64N(2_000_000_000), 0)
	if m.rnd.IntN(5) == 0 && e.Type != tar.TypeLink {
		attr := "trusted.x" // what all types may have
		if e.Type == 0 {
			attr = "user.x"
		}
		e.PAX = map[string]string{layer.PaxXattr + attr: fmt.Sprint(m.serial)}
	}
	m.out = append(m.out, e)
	if name := strings.TrimSuffix(e.Name, "/"); !strings.Contains(name, layer.Whiteout) {
		m.made[name] = m.layer
	}
}

func (m *randomImage) fresh(kind string) string {
	m.serial++
	return strings.TrimPrefix(fmt.Sprintf("%s/%s%d", pick(m.rnd, m.dirs), kind, m.serial), "/")
}

// hide forgets what lower layers have at name and below.
func (m *randomImage) hide(name string, itself bool) {
	lower := func(p string) bool {
		return m.made[p] < m.layer && (itself && p == name || strings.HasPrefix(p, name+"/"))
	}
	m.files, m.dirs = slices.DeleteFunc(m.files, lower), slices.DeleteFunc(m.dirs, lower)
}

// lower gives one of list that a lower layer made, with nothing of this layer
// below it: what a directory's whiteout leaves then is a question of taste.
func (m *randomImage) lower(list []string) string {
	for range 20 {
		p := pick(m.rnd, list)
		own := func(q string) bool { return m.made[q] == m.layer && (q == p || strings.HasPrefix(q, p+"/")) }
		if p != "" && m.made[p] < m.layer && !slices.ContainsFunc(m.files, own) && !slices.ContainsFunc(m.dirs, own) {
			return p
		}
	}
	return ""
}

func (m *randomImage) entry() {
	switch r := m.rnd.IntN(100); {
	case r < 12 || len(m.files) == 0:
		name := m.fresh("dir")
		m.put(imagetest.Entry{Name: name + "/"})
		m.dirs = append(m.dirs, name)
	case r < 15: // new metadata
		if d := pick(m.rnd, m.dirs); d != "" {
			m.put(imagetest.Entry{Name: d + "/"})
		}
	case r < 25:
		m.add(imagetest.Entry{Name: m.fresh("hard"), Type: tar.TypeLink, Link: pick(m.rnd, m.files)})
	case r < 32:
		m.add(imagetest.Entry{Name: m.fresh("link"), Type: tar.TypeSymlink, Link: "../" + pick(m.rnd, m.files)})
	case r < 35:
		m.add(imagetest.Entry{Name: m.fresh("fifo"), Type: tar.TypeFifo})
	case r < 37:
		m.add(imagetest.Entry{Name: m.fresh("dev"), Type: tar.TypeChar, Major: 1, Minor: int64(m.rnd.IntN(9))})
	case r < 43:
		if p := m.lower(m.files); p != "" {
			m.whiteout(p)
		}
	case r < 45:
		if p := m.lower(m.dirs); p != "" {
			m.whiteout(p)
		}
	case r < 47:
		if p := m.lower(m.dirs); p != "" {
			m.out = append(m.out, imagetest.Entry{Name: p + "/" + layer.Opaque})
			m.hide(p, false)
		}
	case r < 55:
		m.put(imagetest.Entry{Name: pick(m.rnd, m.files), Body: imagetest.Noise(m.rnd.IntN(9000))})
	default:
		m.add(imagetest.Entry{Name: m.fresh("file"), Body: imagetest.Noise(m.rnd.IntN(20000))})
	}
}

func (m *randomImage) add(e imagetest.Entry) {
	m.put(e)
	m.files = append(m.files, e.Name)
}

func (m *randomImage) whiteout(p string) {
	m.out = append(m.out, imagetest.Entry{Name: filepath.Join(filepath.Dir(p), layer.Whiteout+filepath.Base(p))})
	m.hide(p, true)
}

// gzipLayout holds the image v in what umoci 0.4.7 can read.
func gzipLayout(tb testing.TB, layers ...[]byte) string {
	l := imagetest.NewLayout(tb)
	cfg := v1.Image{Platform: manifest.HostPlatform(), RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest}
	for _, data := range layers {
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, digest.FromBytes(data))
		m.Layers = append(m.Layers, l.Blob(v1.MediaTypeImageLayerGzip, imagetest.Compress(tb, data, image.Gzip)))
	}
	m.Config = l.JSON(v1.MediaTypeImageConfig, cfg)
	d := l.JSON(v1.MediaTypeImageManifest, m)
	d.Annotations = map[string]string{v1.AnnotationRefName: "v"}
	l.Index(d)
	return l.Dir
}

// The tree that we make is the one that umoci makes, from our layout and from
// skopeo's copy of it: owners, modes, times to the second (umoci 0.4.7 drops
// the rest), links, devices, attributes, content.
func TestSameTreeAsUmoci(t *testing.T) {
	for seed := range uint64(2) {
		layout := gzipLayout(t, randomLayers(t, seed, 6, 250)...)
		b, _, err := story.Unpack(t, layout, bundle.UnpackOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ours := imagetest.TreeLikeUmoci(t, filepath.Join(b, "rootfs"))
		if n := strings.Count(ours, "\n"); n < 1000 {
			t.Errorf("seed %d: only %d lines to compare", seed, n)
		}
		work := t.TempDir()
		copied := work + "/copy"
		imagetest.RunTool(t, "skopeo", "--insecure-policy", "copy", "-q", "oci:"+layout+":v", "oci:"+copied+":v")
		for _, from := range []string{layout + ":v", copied + ":v"} {
			theirs := filepath.Join(work, "umoci")
			imagetest.RunTool(t, "umoci", "raw", "unpack", "--image", from, theirs)
			if want := imagetest.TreeLikeUmoci(t, theirs); ours != want {
				t.Errorf("seed %d, %s: trees differ:\n%s", seed, from, firstDifferences(ours, want))
			}
			if err := os.RemoveAll(theirs); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// firstDifferences lists some lines that only one of two trees has.
func firstDifferences(ours, theirs string) string {
	a, b := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	var out []string
	for _, side := range []struct {
		who       string
		has, asks []string
	}{{"ours: ", a, b}, {"theirs: ", b, a}} {
		in := map[string]bool{}
		for _, l := range side.asks {
			in[l] = true
		}
		for _, l := range side.has {
			if !in[l] {
				out = append(out, side.who+l)
			}
		}
	}
	if len(out) > 40 {
		out = append(out[:40], fmt.Sprintf("and %d more", len(out)-40))
	}
	return strings.Join(out, "\n")
}
