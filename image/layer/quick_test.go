package layer

// Layers applied to a directory, without an image and a bundle around them.

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// rig is an applier of a tree in dir.
type rig struct {
	*Applier
	dir   string
	notes *image.Notes
}

// newRig makes one in a directory that is there.
func newRig(t *testing.T, dir string, limits image.Limits) *rig {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := inroot.OpenTree(f)
	if err != nil {
		t.Fatal(err)
	}
	n := &image.Notes{}
	r := &rig{NewApplier(tree, limits, n, true), dir, n}
	t.Cleanup(func() { _ = tree.Close() })
	return r
}

func layerOf(data []byte) manifest.Layer {
	d := digest.FromBytes(data)
	return manifest.Layer{Descriptor: v1.Descriptor{Digest: d, Size: int64(len(data))}, DiffID: d, Compression: image.None}
}

// apply applies archives, as the layers from number on.
func (r *rig) apply(t *testing.T, number int, archives ...[]byte) error {
	t.Helper()
	for i, data := range archives {
		l := layerOf(data)
		in, err := Open(t.Context(), io.NopCloser(bytes.NewReader(data)), l, r.Budget, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Apply(t.Context(), number+i, l, in), in.Close()); err != nil {
			return err
		}
	}
	return nil
}

// layer applies one layer of entries.
func (r *rig) layer(t *testing.T, entries ...imagetest.Entry) error {
	t.Helper()
	return r.apply(t, 1, imagetest.Tar(t, entries...))
}

func (r *rig) told() string {
	var all []string
	for _, n := range r.notes.List {
		all = append(all, n.String())
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func archives(t *testing.T, layers [][]imagetest.Entry) (list [][]byte) {
	t.Helper()
	for _, l := range layers {
		list = append(list, imagetest.Tar(t, l...))
	}
	return list
}

func tells(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), want)
}

// Each attack on an unpacker, with the least around it: nothing outside changes.
func TestAttacksAlone(t *testing.T) {
	around := imagetest.Canary(t)
	before := imagetest.Outside(imagetest.Tree(t, around))
	dir := filepath.Join(around, "in", "bundle")
	for _, a := range imagetest.Attacks {
		if strings.HasSuffix(a.Refuse, "directories deep") {
			continue // it takes long, and it is the tree that counts
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, dir, image.DefaultLimits())
		err := r.apply(t, 1, archives(t, a.Layers)...)
		if e := r.tree.Close(); e != nil {
			t.Error(e)
		}
		var refused *image.EntryError
		switch {
		case a.Refuse == "" && err != nil:
			t.Errorf("%s: %v", a.Name, err)
		case a.Refuse == "":
			imagetest.WantTree(t, dir, a.Tree...)
		case !errors.As(err, &refused) || !strings.Contains(refused.Reason.Error(), a.Refuse) || refused.Layer != len(a.Layers) || !strings.HasPrefix(err.Error(), "refuse layer"):
			t.Errorf("%s: error is %v; want an entry of layer %d refused: %s", a.Name, err, len(a.Layers), a.Refuse)
		}
		if after := imagetest.Outside(imagetest.Tree(t, around)); after != before {
			t.Errorf("%s: around it is\n%s\nwas\n%s", a.Name, after, before)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatal(a.Name)
		}
	}
}

func TestChangesAlone(t *testing.T) {
	for _, c := range imagetest.Changes {
		r := newRig(t, t.TempDir(), image.DefaultLimits())
		if err := r.apply(t, 1, archives(t, c.Layers)...); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		imagetest.WantTree(t, r.dir, c.Tree...)
		if r.tree.Depth() != 1 || r.own != nil {
			t.Errorf("%s: %d directories deep afterwards, own %v", c.Name, r.tree.Depth(), r.own)
		}
		if t.Failed() {
			t.Fatal(c.Name)
		}
	}
}

// What is odd, and what is not carried out, is noted.
func TestNotesAlone(t *testing.T) {
	for want, entries := range map[string][]imagetest.Entry{
		"":                                   {{Name: "a", Body: "x"}, {Name: "b..c"}, {Name: "d/", PAX: map[string]string{"VENDOR.x": "y"}}},
		`"a/../b": ` + noteParent:            {{Name: "a/../b"}},
		`"h": ` + noteParent:                 {{Name: "f"}, {Name: "h", Type: tar.TypeLink, Link: "x/../f"}},
		`"f" "SCHILY.acl.access": an access`: {{Name: "f", PAX: map[string]string{"SCHILY.acl.access": "user::rw-"}}},
		`"f" "LIBARCHIVE.xattr.user.a": an`:  {{Name: "f", PAX: map[string]string{"LIBARCHIVE.xattr.user.a": "eA"}}},
		`"f" "RHT.security.selinux": a lab`:  {{Name: "f", PAX: map[string]string{"RHT.security.selinux": "x"}}},
		`".wh..wh.orph": aufs metadata was`:  {{Name: ".wh..wh.orph"}},
		`".wh..wh.aufs": aufs metadata was`:  {{Name: ".wh..wh.aufs"}},
		`".wh..wh.plnk/": aufs metadata wa`:  {{Name: ".wh..wh.plnk/"}},
	} {
		r := newRig(t, t.TempDir(), image.DefaultLimits())
		if err := r.layer(t, entries...); err != nil || !strings.HasPrefix(r.told(), want) || want == "" && r.told() != "" {
			t.Errorf("%q: %v, notes are %q", want, err, r.told())
		}
	}
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.layer(t, imagetest.Entry{Name: "f"}); err != nil {
		t.Fatal(err)
	}
	if err := r.layer(t, imagetest.Entry{Name: "../x"}); err == nil || r.told() != "" {
		t.Errorf("what is refused is noted: %v, %s", err, r.told())
	}
	if err := r.apply(t, 2, imagetest.Tar(t, imagetest.Entry{Name: "f/g"})); err != nil || r.told() != `"f": `+noteReplaced {
		t.Errorf("a file that gave way: %v, %s", err, r.told())
	}
	global := append(imagetest.RawTar(t, 'g', "pax_global_header", imagetest.PAXRecords("comment", "from git")), imagetest.Tar(t)...)
	r = newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.apply(t, 1, global); err != nil || !strings.Contains(r.told(), "a PAX global header, which") {
		t.Errorf("a global header: %v, %s", err, r.told())
	}
	r = newRig(t, t.TempDir(), image.DefaultLimits())
	data := imagetest.Tar(t, imagetest.Entry{Name: "f"})
	l := manifest.Layer{Descriptor: v1.Descriptor{}, DiffID: digest.FromBytes(data), Compression: image.None}
	packed := imagetest.Compress(t, data, image.Gzip)
	l.Digest, l.Size = digest.FromBytes(packed), int64(len(packed))
	in, err := Open(t.Context(), io.NopCloser(bytes.NewReader(packed)), l, r.Budget, nil)
	if err == nil {
		err = errors.Join(r.Apply(t.Context(), 3, l, in), in.Close())
	}
	if err != nil || r.told() != fmt.Sprintf("layer 3 (%s): %sgzip", l.Digest, noteCompressed) {
		t.Errorf("gzip called plain: %v, %s", err, r.told())
	}
}

func TestPathSet(t *testing.T) {
	s := newPathSet()
	for _, p := range []string{"a/b/c", "a/b/d", "x", "a/b/c/e"} {
		s.add(p)
	}
	for p, want := range map[string]bool{"a": true, "a/b": true, "a/b/c": true, "a/b/d": true, "x": true, "a/b/c/e": true, "": false, "b": false, "a/c": false, "a/b/c/": false, "a/b/c/e/f": false} {
		if s.has(p) != want {
			t.Errorf("%q is there: %v", p, !want)
		}
	}
}

// What an image costs is counted: what is one too many is refused.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		most, sum, n int64
		refused      bool
	}{
		{10, 0, 10, false},
		{10, 0, 11, true},
		{10, 9, 1, false},
		{10, 10, 1, true},
		{10, 0, 0, false},
		{0, 1 << 40, 1 << 40, false},
		{10, 1<<63 - 1, 5, true},
		{10, 0, -1, true},
		{0, 1<<63 - 1, 5, false},
	} {
		b := &Budget{Limits: image.Limits{MaxSize: c.most, MaxEntries: c.most}}
		b.Size.Store(c.sum)
		b.content.Store(c.sum)
		for what, err := range map[string]error{"bytes uncompressed (--max-size)": b.TakeSize(c.n), "bytes in files (--max-size)": b.takeContent(c.n)} {
			if want := fmt.Sprintf("the image has more than %d %s", c.most, what); (err != nil) != c.refused || err != nil && err.Error() != want {
				t.Errorf("%d and %d of %d: %v; refused: want %v", c.sum, c.n, c.most, err, c.refused)
			}
		}
	}
	b := &Budget{Limits: image.Limits{MaxEntries: 1}}
	if err := b.TakeEntry(); err != nil {
		t.Error(err)
	}
	if err := b.TakeEntry(); !tells(err, "more than 1 entries (--max-entries)") {
		t.Errorf("error is %v", err)
	}
	for name, c := range map[string]struct {
		limits  image.Limits
		entries []imagetest.Entry
		want    string
	}{
		"three entries":        {image.Limits{MaxEntries: 3}, []imagetest.Entry{{Name: "a"}, {Name: "b"}, {Name: "c"}}, ""},
		"an entry more":        {image.Limits{MaxEntries: 2}, []imagetest.Entry{{Name: "a"}, {Name: "b"}, {Name: "c"}}, "more than 2 entries"},
		"directories":          {image.Limits{MaxEntries: 3}, []imagetest.Entry{{Name: "a/b/c"}}, ""},
		"a directory more":     {image.Limits{MaxEntries: 2}, []imagetest.Entry{{Name: "a/b/c"}}, "more than 2 entries"},
		"content":              {image.Limits{MaxSize: 1 << 20}, []imagetest.Entry{{Name: "a", Body: strings.Repeat("x", 1000)}}, ""},
		"a name":               {image.Limits{MaxPath: 3}, []imagetest.Entry{{Name: "abc"}}, ""},
		"a longer name":        {image.Limits{MaxPath: 3}, []imagetest.Entry{{Name: "abcd"}}, "--max-path"},
		"a link":               {image.Limits{MaxPath: 3}, []imagetest.Entry{{Name: "a", Type: tar.TypeSymlink, Link: "abc"}}, ""},
		"a longer link":        {image.Limits{MaxPath: 3}, []imagetest.Entry{{Name: "a", Type: tar.TypeSymlink, Link: "abcd"}}, "a link target of 4 bytes, at most 3 are taken (--max-path)"},
		"a link, no limit":     {image.Limits{}, []imagetest.Entry{{Name: "a", Type: tar.TypeSymlink, Link: strings.Repeat("a", 1000)}}, ""},
		"a long hard link":     {image.Limits{MaxPath: 3}, []imagetest.Entry{{Name: "a"}, {Name: "b", Type: tar.TypeLink, Link: "////a"}}, `link target "////a": a name of 5 bytes`},
		"an end in the middle": {image.Limits{MaxSize: 2048}, []imagetest.Entry{{Name: "a"}}, ""},
		"padding":              {image.Limits{MaxSize: 1535}, []imagetest.Entry{{Name: "a"}}, "bytes uncompressed"},
	} {
		if err := newRig(t, t.TempDir(), c.limits).layer(t, c.entries...); !tells(err, c.want) {
			t.Errorf("%s: error is %v; want %q", name, err, c.want)
		}
	}
	sparse := append(imagetest.RawTar(t, 'x', "PaxHeaders/f", imagetest.PAXRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1125899906842624", "GNU.sparse.name", "f")),
		imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "1\n1125899906842624\n0\n" + strings.Repeat("\x00", 512-21)})...)
	if err := newRig(t, t.TempDir(), image.DefaultLimits()).apply(t, 1, sparse); !tells(err, "bytes in files (--max-size)") {
		t.Errorf("a sparse file of a pebibyte: %v", err)
	}
}

// The ratio counts from some bytes on, and to what was read, with a step of grace.
func TestRatio(t *testing.T) {
	LessGrace(t, 1000)
	for name, c := range map[string]struct {
		ratio, out, in, size int64
		refused              bool
	}{
		"none":                  {0, 1 << 40, 1, 1, false},
		"before it counts":      {1, 999, 1, 1, false},
		"at its beginning":      {1, 1000, 1, 1, false},
		"as much as may be":     {10, 2009, 0, 200, false},
		"more":                  {10, 2010, 0, 200, true},
		"as it is read":         {10, 10 * (5 + ratioStep), 5, 1 << 30, false},
		"more than that":        {10, 10 * (6 + ratioStep), 5, 1 << 30, true},
		"one, and all was read": {1, 5000, 5000, 5000, false},
	} {
		l := &limited{r: strings.NewReader(""), in: &stream.Counter{N: c.in}, size: c.size, budget: &Budget{Limits: image.Limits{MaxRatio: c.ratio}}, out: c.out}
		_, err := l.Read(make([]byte, 1))
		if refused := tells(err, "expands more than"); refused != c.refused || !refused && !errors.Is(err, io.EOF) {
			t.Errorf("%s: error is %v; refused: want %v", name, err, c.refused)
		}
	}
	b := &Budget{Limits: image.Limits{MaxSize: 4}}
	l := &limited{r: strings.NewReader("12345"), in: &stream.Counter{N: 5}, size: 5, budget: b}
	if n, err := l.Read(make([]byte, 3)); n != 3 || err != nil || l.out != 3 || b.Size.Load() != 3 {
		t.Errorf("%d bytes, %v, %d came out, %d count", n, err, l.out, b.Size.Load())
	}
	if n, err := l.Read(make([]byte, 3)); n != 0 || !tells(err, "--max-size") {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A layer is what its DiffID says, to the last byte.
func TestLiesAlone(t *testing.T) {
	good := imagetest.Tar(t, imagetest.Entry{Name: "f", Body: strings.Repeat("x", 2000)})
	other := digest.FromString("other")
	for name, c := range map[string]struct {
		data  []byte
		edit  func(l *manifest.Layer)
		want  string
		wrong bool // content does not match
	}{
		"honest":                  {good, func(*manifest.Layer) {}, "", false},
		"zeros":                   {append(slices.Clone(good), make([]byte, 70_000)...), func(*manifest.Layer) {}, "", false},
		"data after the end":      {append(append(slices.Clone(good), make([]byte, 70_000)...), 1), func(*manifest.Layer) {}, "data after the end of the tar archive", false},
		"another DiffID":          {good, func(l *manifest.Layer) { l.DiffID = other }, "rootfs.diff_ids says " + string(other), true},
		"another digest":          {good, func(l *manifest.Layer) { l.Digest = other }, "", true},
		"a DiffID that is none":   {good, func(l *manifest.Layer) { l.DiffID = "x" }, "malformed digest", false},
		"a digest that is a path": {good, func(l *manifest.Layer) { l.Digest = "sha256:../x" }, "malformed digest", false},
		"shorter":                 {good, func(l *manifest.Layer) { l.Size-- }, "", true},
		"longer":                  {good, func(l *manifest.Layer) { l.Size++ }, "", true},
		"cut off":                 {good[:1000], func(*manifest.Layer) {}, "unexpected EOF", false},
	} {
		l := layerOf(c.data)
		c.edit(&l)
		r := newRig(t, t.TempDir(), image.DefaultLimits())
		closed := 0
		in, err := Open(t.Context(), closes{bytes.NewReader(c.data), &closed}, l, r.Budget, nil)
		if err == nil {
			err = errors.Join(r.Apply(t.Context(), 1, l, in), in.Close())
		}
		if !tells(err, c.want) && (c.want != "" || !c.wrong) || errors.Is(err, verify.ErrMismatch) != c.wrong || closed != 1 {
			t.Errorf("%s: error is %v, closed %d times; want %q", name, err, closed, c.want)
		}
	}
}

// closes counts how often it is closed.
type closes struct {
	io.Reader
	n *int
}

func (c closes) Close() error { *c.n++; return nil }

// A layer ends with its context, and what could not be closed is told.
func TestStops(t *testing.T) {
	data := imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"})
	l := layerOf(data)
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	in, err := Open(t.Context(), io.NopCloser(bytes.NewReader(data)), l, r.Budget, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Apply(ctx, 1, l, in); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	imagetest.WantTree(t, r.dir)
	bad := errors.New("bad")
	in.close = append(in.close, func() error { return bad })
	if err := in.Close(); !errors.Is(err, bad) {
		t.Errorf("error is %v", err)
	}
	if err := in.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// What is made after the layers is in no file's place.
func TestNothingYieldsLater(t *testing.T) {
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.apply(t, 1, imagetest.Tar(t, imagetest.Entry{Name: "f"}), imagetest.Tar(t, imagetest.Entry{Name: "g"})); err != nil {
		t.Fatal(err)
	}
	if err := r.tree.Enter([]string{"f", "x"}, true); !inroot.IsNotDir(err) {
		t.Errorf("error is %v", err)
	}
}

func TestTypeNames(t *testing.T) {
	for flag, want := range map[byte]string{
		tar.TypeReg: "file", tar.TypeLink: "hard link", tar.TypeSymlink: "symbolic link", tar.TypeChar: "character device", tar.TypeBlock: "block device",
		tar.TypeDir: "directory", tar.TypeFifo: "FIFO", 'V': `entry of type 'V'`,
	} {
		if got := TypeName(flag); got != want {
			t.Errorf("%c is a %s; want %s", flag, got, want)
		}
	}
}

// Flags are remembered for what can have them, as often as may be.
func TestNoteFlags(t *testing.T) {
	flags := func(f string) map[string]string { return map[string]string{PaxFlags: f} }
	for _, have := range []bool{true, false} {
		set := map[string]error{}
		var order []string
		fail := map[string]error{}
		does := func(path string, bits uint32) error {
			order = append(order, path+" "+flagNames(bits))
			return fail[path]
		}
		if !have {
			does = nil
		}
		FakeFlags(t, does)
		r := newRig(t, t.TempDir(), image.DefaultLimits())
		if err := r.layer(t, imagetest.Entry{Name: "d/"}, imagetest.Entry{Name: "f"}, imagetest.Entry{Name: "n", PAX: flags("none,dump,")}); err != nil || r.told() != "" || len(r.flags) != 0 {
			t.Errorf("without flags: %v, notes are %s, %d are remembered", err, r.told(), len(r.flags))
		}
		if err := r.layer(t, imagetest.Entry{Name: "f", PAX: flags("uchg,hidden")}, imagetest.Entry{Name: "l", Type: tar.TypeSymlink, Link: "f", PAX: flags("arch")}, imagetest.Entry{Name: "g"}, imagetest.Entry{Name: "d/"}, imagetest.Entry{Name: ".", PAX: flags("nodump")}, imagetest.Entry{Name: "d/h", PAX: flags("sappnd")}); err != nil {
			t.Fatal(err)
		}
		want, remembered := "\"f\" \"hidden\": file flags that no system here has were left out\n\"l\": file flags are set on files and directories only", 4
		if !have {
			want, remembered = "\"f\" \"hidden\": file flags that no system here has were left out\n\"f\" and 3 more: file flags were left out: this system has none", 0
		}
		if r.told() != want || len(r.flags) != remembered {
			t.Errorf("notes are %s, %d are remembered; want %s, %d", r.told(), len(r.flags), want, remembered)
		}
		if !have {
			continue
		}
		for path, err := range map[string]error{"/f": unix.EPERM, "/.": unix.EOPNOTSUPP, "/d/h": unix.EACCES} {
			fail[path], set[path] = err, err
		}
		if err := r.SetFlags(); err != nil || r.tree.Depth() != 1 || !slices.Equal(order, []string{"/d/h sappnd", "/. nodump", "/f uchg"}) {
			t.Errorf("%v, set %q, %d directories deep", err, order, r.tree.Depth())
		}
		if got := r.told(); !strings.Contains(got, `"d/h": file flags could not be set: permission denied`) || !strings.Contains(got, `"": file flags could not be set: operation not supported`) || !strings.Contains(got, `"f": file flags could not be set: operation not permitted`) {
			t.Errorf("notes are %s", got)
		}
		bad := errors.New("bad")
		fail["/d/h"] = bad
		if err := r.SetFlags(); !errors.Is(err, bad) || !strings.HasPrefix(err.Error(), `set file flags of "d/h": `) {
			t.Errorf("error is %v", err)
		}
		listed, err := r.ListFlags()
		var st unix.Stat_t
		if e := unix.Lstat(r.dir+"/f", &st); e != nil || err != nil || len(listed) != 3 || listed[inodeOf(&st)] != 2 {
			t.Errorf("listed are %v, %v, %v", listed, err, e)
		}
		r.flags = make([]flagged, maxFlagged-1)
		if err := r.layer(t, imagetest.Entry{Name: "last", PAX: flags("uchg")}); err != nil || len(r.flags) != maxFlagged {
			t.Errorf("%v, %d are remembered", err, len(r.flags))
		}
		if err := r.layer(t, imagetest.Entry{Name: "another", PAX: flags("uchg")}); !tells(err, "more than 50000 files have flags") {
			t.Errorf("error is %v", err)
		}
	}
}

// What an upper layer has hidden, replaced or listed again has no flags of a lower one.
func TestFlagsOfWhatIsThere(t *testing.T) {
	flags := func(f string) map[string]string { return map[string]string{PaxFlags: f} }
	var order []string
	FakeFlags(t, func(path string, bits uint32) error {
		order = append(order, path+" "+flagNames(bits))
		return nil
	})
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.apply(t, 1, imagetest.Tar(t,
		imagetest.Entry{Name: "deep/x", PAX: flags("uchg")}, imagetest.Entry{Name: "gone", PAX: flags("uchg")}, imagetest.Entry{Name: "new", PAX: flags("uchg")}, imagetest.Entry{Name: "none/", PAX: flags("uchg")}, imagetest.Entry{Name: "other/", PAX: flags("uchg")},
		imagetest.Entry{Name: "dir/f", PAX: flags("uchg")}, imagetest.Entry{Name: "away/f", PAX: flags("uchg")}, imagetest.Entry{Name: "stays", PAX: flags("uchg")},
	), imagetest.Tar(t,
		imagetest.Entry{Name: ".wh.gone"}, imagetest.Entry{Name: "new", Body: "x", ModTime: imagetest.Time.Add(time.Hour)}, imagetest.Entry{Name: "none/"}, imagetest.Entry{Name: "other/", PAX: flags("arch")},
		imagetest.Entry{Name: "dir", Body: "a file"}, imagetest.Entry{Name: ".wh.away"},
	)); err != nil {
		t.Fatal(err)
	}
	if err := r.SetFlags(); err != nil || !slices.Equal(order, []string{"/other arch", "/stays uchg", "/deep/x uchg"}) || r.tree.Depth() != 1 {
		t.Errorf("%v, set %q, %d directories deep", err, order, r.tree.Depth())
	}
	// The root's time can't be set after its flags.
	var before, after unix.Stat_t
	r = newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.layer(t, imagetest.Entry{Name: ".", PAX: flags("nodump")}, imagetest.Entry{Name: "f"}); err != nil {
		t.Fatal(err)
	}
	FakeFlags(t, func(string, uint32) error { return unix.Lstat(r.dir, &before) })
	if err := errors.Join(r.SetFlags(), r.tree.Close(), unix.Lstat(r.dir, &after)); err != nil || before.Mtim != after.Mtim || int64(before.Mtim.Sec) != imagetest.Time.Unix() {
		t.Errorf("%v, the time is %v, then %v", err, before.Mtim, after.Mtim)
	}
}

func TestIsStill(t *testing.T) {
	was := unix.Stat_t{Dev: 1, Ino: 2, Mode: unix.S_IFREG, Mtim: unix.Timespec{Sec: 3}}
	for what, c := range map[string]struct {
		edit func(st *unix.Stat_t)
		want bool
	}{
		"the same":             {func(*unix.Stat_t) {}, true},
		"another inode":        {func(st *unix.Stat_t) { st.Ino++ }, false},
		"another device":       {func(st *unix.Stat_t) { st.Dev++ }, false},
		"another time":         {func(st *unix.Stat_t) { st.Mtim.Sec++ }, false},
		"a directory, changed": {func(st *unix.Stat_t) { st.Mtim.Sec++; st.Mode = unix.S_IFDIR }, true},
	} {
		now := was
		c.edit(&now)
		if (flagged{st: was}).isStill(&now) != c.want {
			t.Errorf("%s: it is still there: %v", what, !c.want)
		}
	}
}

// Each name of a flag is its bit, and the usual one is written.
func TestFlagNames(t *testing.T) {
	for bit, names := range map[uint32]string{1: "nodump", 2: "uchg uchange uimmutable", 4: "uappnd uappend", 8: "opaque", 0x10000: "arch archived", 0x20000: "schg schange simmutable", 0x40000: "sappnd sappend"} {
		list := strings.Fields(names)
		for _, n := range list {
			if got, unknown := parseFlags(n); got != bit || len(unknown) > 0 {
				t.Errorf("%s is %#x, unknown %q", n, got, unknown)
			}
		}
		if got := flagNames(bit | 1<<30); got != list[0] {
			t.Errorf("%#x is %s; want %s", bit, got, list[0])
		}
	}
	if bits, unknown := parseFlags("dump,none,,x"); bits != 0 || !slices.Equal(unknown, []string{"x"}) {
		t.Errorf("%#x, %q", bits, unknown)
	}
}

// What is no fault of the layer is no refusal.
func TestHostErrors(t *testing.T) {
	a := &Applier{number: 3}
	for _, err := range []error{unix.ENOSPC, unix.EDQUOT, unix.EFBIG, unix.EIO, unix.EROFS, unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		var e *image.EntryError
		if got := a.refusal(&tar.Header{Name: "f"}, err); errors.As(got, &e) || got.Error() != `entry "f": `+err.Error() {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

// What aufs left has no other names, but for its files that are there for that, and
// is gone with the layer.
func TestAufs(t *testing.T) {
	for name, c := range map[string]struct {
		kept imagetest.Entry
		err  string
	}{
		".wh..wh.plnk/1":   {imagetest.Entry{Body: "x"}, ""},
		".wh..wh.plnk/l":   {imagetest.Entry{Type: tar.TypeSymlink, Link: "x"}, "a hard link needs an earlier entry"},
		".wh..wh.plnk/a/b": {imagetest.Entry{Body: "x"}, "a hard link needs an earlier entry"},
		".wh..wh.plnk":     {imagetest.Entry{Body: "x"}, "a hard link needs an earlier entry"},
		".wh..wh.orph/x":   {imagetest.Entry{Body: "x"}, "a hard link needs an earlier entry"},
		"a/.wh..wh.plnk/1": {imagetest.Entry{Body: "x"}, "reserved for whiteouts"},
	} {
		r := newRig(t, t.TempDir(), image.DefaultLimits())
		c.kept.Name = name
		if err := r.layer(t, c.kept, imagetest.Entry{Name: "h", Type: tar.TypeLink, Link: name}); !tells(err, c.err) {
			t.Errorf("%s: error is %v; want %q", name, err, c.err)
		}
		if c.err == "" {
			imagetest.WantTree(t, r.dir, "h f 0644 1")
		}
		r = newRig(t, t.TempDir(), image.DefaultLimits())
		if err := r.layer(t, c.kept); err == nil {
			imagetest.WantTree(t, r.dir)
		} else if !tells(err, "reserved for whiteouts") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A layer that waits for its turn can be closed.
func TestClosedBeforeItsTurn(t *testing.T) {
	data := imagetest.Tar(t, imagetest.Entry{Name: "f"})
	b := &Budget{}
	open := func() *Reader {
		r, err := Open(t.Context(), io.NopCloser(bytes.NewReader(data)), layerOf(data), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	_, done := b.queue.join() // somebody whose turn it is
	waits := open()
	closed := make(chan error)
	go func() { closed <- waits.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
		done()
	case <-time.After(30 * time.Second):
		t.Error("it is not closed")
		done()
		<-closed
	}
}

// The root's entry is the root's wherever it stands.
func TestRootEntry(t *testing.T) {
	r := newRig(t, t.TempDir(), image.DefaultLimits())
	if err := r.layer(t, imagetest.Entry{Name: "d/e/f"}, imagetest.Entry{Name: ".", Mode: 0o711}, imagetest.Entry{Name: "d/e/g"}); err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, r.dir, "d d 0755", "d/e d 0755", "d/e/f f 0644 0", "d/e/g f 0644 0")
	if fi, err := os.Lstat(r.dir); err != nil || fi.Mode().Perm() != 0o711 {
		t.Errorf("the root: %v, %v", fi.Mode(), err)
	}
}
