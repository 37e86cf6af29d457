// Images of many random entries, unpacked by umoci, by skopeo and umoci, and
// by us: not one difference but the explained ones.

package image

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
	out    []ent
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
		list = append(list, tarOf(tb, m.out...))
	}
	return list
}

func pick(rnd *rand.Rand, list []string) string { return list[rnd.IntN(len(list))] }

func (m *randomImage) put(e ent) {
	e.uid, e.gid = m.rnd.Int64N(3)*500, m.rnd.Int64N(3)*50
	if e.mode == 0 {
		e.mode = []int64{0o644, 0o600, 0o755, 0o4755, 0o2711, 0o6555, 0o1777, 0o10000}[m.rnd.IntN(8)]
	}
	e.mtime = time.Unix(m.rnd.Int64N(2_000_000_000), 0)
	if m.rnd.IntN(5) == 0 && e.typ != tar.TypeLink {
		attr := "trusted.x" // what all types may have
		if e.typ == 0 {
			attr = "user.x"
		}
		e.pax = map[string]string{paxXattr + attr: fmt.Sprint(m.serial)}
	}
	m.out = append(m.out, e)
	if name := strings.TrimSuffix(e.name, "/"); !strings.Contains(name, whiteout) {
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
		m.put(ent{name: name + "/"})
		m.dirs = append(m.dirs, name)
	case r < 15: // new metadata
		if d := pick(m.rnd, m.dirs); d != "" {
			m.put(ent{name: d + "/"})
		}
	case r < 25:
		m.add(ent{name: m.fresh("hard"), typ: tar.TypeLink, link: pick(m.rnd, m.files)})
	case r < 32:
		m.add(ent{name: m.fresh("link"), typ: tar.TypeSymlink, link: "../" + pick(m.rnd, m.files)})
	case r < 35:
		m.add(ent{name: m.fresh("fifo"), typ: tar.TypeFifo})
	case r < 37:
		m.add(ent{name: m.fresh("dev"), typ: tar.TypeChar, major: 1, minor: int64(m.rnd.IntN(9))})
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
			m.out = append(m.out, ent{name: p + "/" + opaque})
			m.hide(p, false)
		}
	case r < 55:
		m.put(ent{name: pick(m.rnd, m.files), body: noise(m.rnd.IntN(9000))})
	default:
		m.add(ent{name: m.fresh("file"), body: noise(m.rnd.IntN(20000))})
	}
}

func (m *randomImage) add(e ent) {
	m.put(e)
	m.files = append(m.files, e.name)
}

func (m *randomImage) whiteout(p string) {
	m.out = append(m.out, ent{name: filepath.Join(filepath.Dir(p), whiteout+filepath.Base(p))})
	m.hide(p, true)
}

// gzipLayout holds the image v in what umoci 0.4.7 can read.
func gzipLayout(tb testing.TB, layers ...[]byte) string {
	l := newLayout(tb)
	cfg := v1.Image{Platform: HostPlatform(), RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{Versioned: schema2, MediaType: v1.MediaTypeImageManifest}
	for _, data := range layers {
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, digest.FromBytes(data))
		m.Layers = append(m.Layers, l.blob(v1.MediaTypeImageLayerGzip, compressed(tb, data, Gzip)))
	}
	m.Config = l.json(v1.MediaTypeImageConfig, cfg)
	d := l.json(v1.MediaTypeImageManifest, m)
	d.Annotations = map[string]string{v1.AnnotationRefName: "v"}
	l.index(d)
	return l.dir
}

// The tree that we make is the one that umoci makes, from our layout and from
// skopeo's copy of it: owners, modes, times to the second (umoci 0.4.7 drops
// the rest), links, devices, attributes, content.
func TestSameTreeAsUmoci(t *testing.T) {
	for seed := range uint64(2) {
		layout := gzipLayout(t, randomLayers(t, seed, 6, 250)...)
		bundle, _, err := unpackIn(t, layout, UnpackOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ours := likeUmoci(t, filepath.Join(bundle, rootfsName))
		if n := strings.Count(ours, "\n"); n < 1000 {
			t.Errorf("seed %d: only %d lines to compare", seed, n)
		}
		work := t.TempDir()
		copied := work + "/copy"
		runTool(t, "skopeo", "--insecure-policy", "copy", "-q", "oci:"+layout+":v", "oci:"+copied+":v")
		for _, from := range []string{layout + ":v", copied + ":v"} {
			theirs := filepath.Join(work, "umoci")
			runTool(t, "umoci", "raw", "unpack", "--image", from, theirs)
			if want := likeUmoci(t, theirs); ours != want {
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
