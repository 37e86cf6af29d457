// What the tests share: images made entry by entry, a canary tree around
// every target, and trees compared as a user sees them.

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// childVar marks the test binary run again as another user.
const childVar = "RUNCELL_IMAGE_TEST_CHILD"

// TestMain sweeps for what the tests must not leave: descriptors,
// goroutines, temporary files.
func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		os.Exit(m.Run())
	}
	temps, _ := filepath.Glob(filepath.Join(os.TempDir(), "runcell-image-*"))
	before := openFiles()
	status := m.Run()
	if status == 0 {
		var left []string
		for end := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			left = sweep(before, temps)
			if len(left) == 0 || time.Now().After(end) {
				break
			}
		}
		for _, l := range left {
			fmt.Fprintln(os.Stderr, "left behind:", l)
			status = 1
		}
	}
	os.Exit(status)
}

func sweep(files, temps []string) (left []string) {
	for _, f := range openFiles() {
		if !slices.Contains(files, f) {
			left = append(left, "open file "+f)
		}
	}
	now, _ := filepath.Glob(filepath.Join(os.TempDir(), "runcell-image-*"))
	for _, f := range now {
		if !slices.Contains(temps, f) {
			left = append(left, "temporary file "+f)
		}
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("image.(*ahead).")) || bytes.Contains(stacks, []byte("zstd.(*Decoder)")) {
		left = append(left, "goroutine:\n"+string(stacks))
	}
	return left
}

// openFiles lists the regular files and directories this process holds open.
func openFiles() (list []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/proc/") {
			list = append(list, target)
		}
	}
	return list
}

// ent is an entry of a layer under construction. Zero mode means 0644 for
// files and 0755 for directories.
type ent struct {
	name, link string
	typ        byte // 0: a file, or a directory if the name ends in /
	body       string
	mode       int64
	uid, gid   int64
	mtime      time.Time
	pax        map[string]string
	major      int64
	minor      int64
}

// someTime is when everything was made.
var someTime = time.Unix(1_500_000_000, 0)

func (e ent) header() *tar.Header {
	h := &tar.Header{
		Name: e.name, Linkname: e.link, Typeflag: e.typ, Mode: e.mode, Uid: int(e.uid), Gid: int(e.gid),
		Size: int64(len(e.body)), ModTime: e.mtime, PAXRecords: e.pax, Devmajor: e.major, Devminor: e.minor,
	}
	if h.ModTime.IsZero() {
		h.ModTime = someTime
	}
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
		if strings.HasSuffix(e.name, "/") || e.name == "." {
			h.Typeflag = tar.TypeDir
		}
	}
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	return h
}

// paxOwner is the extended header that goes before an entry with large ids. The
// package tar does not write one by itself: it is a file of another type here.
func paxOwner(tb testing.TB, uid, gid int64) []byte {
	tb.Helper()
	b := tarOf(tb, ent{name: "owner", body: fmt.Sprintf("18 uid=%010d\n18 gid=%010d\n", uid, gid)})[:2*512]
	const typeAt, sumAt, sumEnd = 156, 148, 154
	b[typeAt] = tar.TypeXHeader
	sum, err := strconv.ParseInt(string(b[sumAt:sumEnd]), 8, 64)
	if err != nil {
		tb.Fatal(err)
	}
	copy(b[sumAt:sumEnd], fmt.Sprintf("%06o", sum+tar.TypeXHeader-tar.TypeReg))
	return b
}

func tarOf(tb testing.TB, entries ...ent) []byte {
	tb.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.header()
		if int64(h.Uid) != e.uid || int64(h.Gid) != e.gid { // an int of 32 bits
			if err := tw.Flush(); err != nil {
				tb.Fatal(err)
			}
			b.Write(paxOwner(tb, e.uid, e.gid))
			h.Uid, h.Gid = 0, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatalf("write header of %q: %v", e.name, err)
		}
		if _, err := tw.Write([]byte(e.body)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func compressed(tb testing.TB, data []byte, c Compression) []byte {
	tb.Helper()
	var b bytes.Buffer
	switch c {
	case Gzip:
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
	case Zstd:
		w, _ := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		w.Write(data)
		w.Close()
	default:
		b.Write(data)
	}
	return b.Bytes()
}

// layoutBuilder writes a layout, with every chance to lie.
type layoutBuilder struct {
	tb  testing.TB
	dir string
}

func newLayout(tb testing.TB) *layoutBuilder {
	tb.Helper()
	l := &layoutBuilder{tb, tb.TempDir()}
	if err := os.MkdirAll(l.dir+"/blobs/sha256", 0o755); err != nil {
		tb.Fatal(err)
	}
	l.write(v1.ImageLayoutFile, []byte(layoutContent))
	return l
}

func (l *layoutBuilder) write(name string, data []byte) {
	l.tb.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o644); err != nil {
		l.tb.Fatal(err)
	}
}

func (l *layoutBuilder) blob(mediaType string, data []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	l.write(blobName(d.Digest), data)
	return d
}

func (l *layoutBuilder) json(mediaType string, v any) v1.Descriptor {
	l.tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		l.tb.Fatal(err)
	}
	return l.blob(mediaType, data)
}

func (l *layoutBuilder) index(list ...v1.Descriptor) {
	data, _ := json.Marshal(v1.Index{Versioned: schema2, MediaType: v1.MediaTypeImageIndex, Manifests: list})
	l.write(v1.ImageIndexFile, data)
}

// image adds an image whose layers are the tar archives.
func (l *layoutBuilder) image(cfg v1.Image, layers ...[]byte) v1.Descriptor {
	l.tb.Helper()
	if cfg.OS == "" {
		cfg.Platform = HostPlatform()
	}
	cfg.RootFS.Type, cfg.RootFS.DiffIDs = "layers", []digest.Digest{}
	m := v1.Manifest{Versioned: schema2, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	for i, data := range layers {
		c := []Compression{Gzip, Zstd, None}[i%3]
		suffix := []string{"+gzip", "+zstd", ""}[i%3]
		m.Layers = append(m.Layers, l.blob(v1.MediaTypeImageLayer+suffix, compressed(l.tb, data, c)))
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, digest.FromBytes(data))
	}
	m.Config = l.json(v1.MediaTypeImageConfig, cfg)
	return l.json(v1.MediaTypeImageManifest, m)
}

// layoutOf is a layout with one image of these layers.
func layoutOf(tb testing.TB, layers ...[]byte) string {
	tb.Helper()
	l := newLayout(tb)
	l.index(l.image(v1.Image{}, layers...))
	return l.dir
}

// unpackIn unpacks an image into a fresh bundle inside a canary tree, which
// must not change, and gives the bundle.
func unpackIn(tb testing.TB, layout string, o UnpackOptions) (string, *Result, error) {
	tb.Helper()
	around := canary(tb)
	before := outside(treeOf(tb, around))
	b := filepath.Join(around, "in", "bundle")
	o.NoSync = true // the machine's other work would be waited for
	res, err := Unpack(context.Background(), layout, b, o)
	if err != nil {
		if _, e := os.Lstat(b); !os.IsNotExist(e) {
			tb.Errorf("a failed unpack left %s behind", b)
		}
	}
	if after := outside(treeOf(tb, around)); after != before {
		tb.Errorf("the tree around the bundle changed:\nbefore:\n%s\nafter:\n%s", before, after)
	}
	return b, res, err
}

// outside drops the bundle from a tree, and its parent directory's time.
func outside(lines []string) string {
	lines = slices.DeleteFunc(lines, func(s string) bool {
		s = strings.TrimPrefix(s, "mtime ")
		return strings.HasPrefix(s, "in/bundle") || strings.HasPrefix(s, "in ")
	})
	return strings.Join(lines, "\n")
}

// unpackLayers unpacks layers that must be good and gives the rootfs.
func unpackLayers(tb testing.TB, layers ...[]byte) string {
	tb.Helper()
	b, _, err := unpackIn(tb, layoutOf(tb, layers...), UnpackOptions{})
	if err != nil {
		tb.Fatalf("unpack: %v", err)
	}
	return filepath.Join(b, rootfsName)
}

// canary makes a tree with things an escape would hit: siblings of the
// bundle, a file above it, a device, a link, a set-id program.
func canary(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, d := range []string{"in", "etc", "victim", "in/etc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	for _, f := range []string{"etc/passwd", "victim/file", "in/etc/passwd", "in/file", "file"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("canary of "+f+"\n"), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Symlink("victim", filepath.Join(dir, "link")); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// treeOf describes a tree, a line an entry: path, type, mode, owner, links,
// size or target or device, time, attributes and content.
func treeOf(tb testing.TB, root string) []string {
	tb.Helper()
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		mode := st.Mode & 0o7777
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			mode = 0o777 // NetBSD takes the umask off, and looks at it no more than others do
		}
		line := fmt.Sprintf("%s %s %04o %d:%d", rel, kindOf(uint32(st.Mode)), mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %s", st.Size, digest.FromBytes(data)[:19])
		case unix.S_IFLNK:
			target, _ := os.Readlink(path)
			line += " -> " + target
		case unix.S_IFCHR, unix.S_IFBLK:
			line += fmt.Sprintf(" %d:%d", unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)))
		}
		if st.Nlink > 1 && !d.IsDir() {
			if first := inodes[st.Ino]; first != "" {
				line += " = " + first
			} else {
				inodes[st.Ino] = rel
			}
		}
		line += xattrsOf(path)
		lines = append(lines, line, fmt.Sprintf("mtime %s %d.%09d", rel, st.Mtim.Sec, st.Mtim.Nsec))
		return nil
	})
	if err != nil {
		tb.Fatalf("walk %s: %v", root, err)
	}
	sort.Strings(lines)
	return lines
}

func kindOf(mode uint32) string {
	for _, t := range tarTypes {
		if t.mode == mode&unix.S_IFMT {
			return map[byte]string{
				tar.TypeReg: "f", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeFifo: "p", tar.TypeChar: "c", tar.TypeBlock: "b",
			}[t.flag]
		}
	}
	return "?"
}

func xattrsOf(path string) string {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer dir.Close()
	attrs, _ := listXattrs(int(dir.Fd()), filepath.Base(path))
	sort.Strings(attrs)
	s := ""
	for _, a := range attrs {
		value, _ := getXattr(int(dir.Fd()), filepath.Base(path), a)
		s += fmt.Sprintf(" %s=%q", a, value)
	}
	return s
}

// wantTree compares a rootfs with lines of treeOf's form, times left out.
func wantTree(tb testing.TB, rootfs string, want ...string) {
	tb.Helper()
	got := slices.DeleteFunc(treeOf(tb, rootfs), func(s string) bool {
		return strings.HasPrefix(s, "mtime ") || strings.HasPrefix(s, ". ")
	})
	for i := range got { // owner and digest matter elsewhere
		got[i] = strings.Join(slices.DeleteFunc(strings.Fields(got[i]), func(f string) bool {
			return f == "0:0" || strings.HasPrefix(f, "sha256:")
		}), " ")
	}
	sort.Strings(want)
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		tb.Errorf("tree is\n%s\nwant\n%s", a, b)
	}
}
