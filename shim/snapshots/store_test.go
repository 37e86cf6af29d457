package snapshots

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func open(t *testing.T, dir string, own string) *Store {
	t.Helper()
	o, err := ParseOwn(own)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unpack makes a committed snapshot with files, as containerd's unpacking does.
func unpack(t *testing.T, s *Store, name, parent string, files ...string) {
	t.Helper()
	key := "ns/1/extract-1-" + name
	n, err := s.Prepare(t.Context(), key, parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Mounts) != 1 || n.Mounts[0].Readonly {
		t.Fatalf("mounts %v; want one to write to", n.Mounts)
	}
	for _, f := range files {
		put(t, n.Mounts[0].Source+"/"+f, f)
	}
	if err := s.Commit(t.Context(), name, key, "", nil); err != nil {
		t.Fatal(err)
	}
}

// files lists what is seen through mounts.
func files(t *testing.T, mounts []Mount) (names []string) {
	t.Helper()
	for _, m := range mounts {
		if fi, err := os.Lstat(mounts[0].Source + "/" + m.Target); err != nil || !fi.IsDir() {
			t.Errorf("there is no directory to mount upon: %v", err)
		}
		err := filepath.WalkDir(m.Source, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, strings.TrimPrefix(filepath.Join("/", m.Target)+strings.TrimPrefix(path, m.Source), "/"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range names {
		names[i] = filepath.Clean(strings.TrimPrefix(names[i], "/"))
	}
	slices.Sort(names)
	return slices.Compact(names) // what is mounted upon is not seen
}

var tree = []string{"usr/bin/sh", "usr/lib/c", "bin/sh", "etc/passwd", "var/log/x", "tmp/y", "file"}

func TestContainerRoot(t *testing.T) {
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", tree...)
	n, err := s.Prepare(t.Context(), "ns/2/c", "base", nil)
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for i, m := range n.Mounts {
		if i > 0 {
			targets = append(targets, m.Target)
		}
		if m.Readonly != (i > 0) {
			t.Errorf("mount %v", m)
		}
	}
	if !slices.Equal(targets, []string{"bin", "usr"}) {
		t.Errorf("shared are %q; want bin and usr", targets)
	}
	want := slices.Sorted(slices.Values(tree))
	if got := files(t, n.Mounts); !slices.Equal(got, want) {
		t.Errorf("the root shows %q; want %q", got, want)
	}
	// What it has of its own is no other's.
	put(t, n.Mounts[0].Source+"/etc/passwd", "changed")
	base, _ := s.View(t.Context(), "ns/3/v", "base", nil)
	if text, _ := os.ReadFile(base.Mounts[0].Source + "/etc/passwd"); string(text) != "etc/passwd" || !base.Mounts[0].Readonly || len(base.Mounts) != 1 {
		t.Errorf("the image has %q, seen through %v", text, base.Mounts)
	}
	// A commit has all of it.
	if err := s.Commit(t.Context(), "new", "ns/2/c", "base", nil); err != nil {
		t.Fatal(err)
	}
	v, err := s.View(t.Context(), "ns/4/v", "new", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, v.Mounts); !slices.Equal(got, want) {
		t.Errorf("the committed tree has %q; want %q", got, want)
	}
	if text, _ := os.ReadFile(v.Mounts[0].Source + "/etc/passwd"); string(text) != "changed" {
		t.Errorf("it lacks the change: %q", text)
	}
}

// A layer is unpacked into a copy: what it changes of a file, even through a hard
// link, is not changed for those that have the layer below alone.
func TestLayers(t *testing.T) {
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", tree...)
	n, err := s.Prepare(t.Context(), "extract-1 top", "base", map[string]string{refLabel: "top"})
	if err != nil {
		t.Fatal(err)
	}
	root := n.Mounts[0].Source
	if err := errors.Join(os.Link(root+"/usr/bin/sh", root+"/link"), os.Chmod(root+"/link", 0o777), os.Remove(root+"/file")); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), "top", n.Key, "base", nil); err != nil {
		t.Fatal(err)
	}
	base, err := s.View(t.Context(), "v1", "base", nil)
	if err != nil || mode(t, base.Mounts[0].Source+"/usr/bin/sh") != 0o644 || !slices.Equal(files(t, base.Mounts), slices.Sorted(slices.Values(tree))) {
		t.Errorf("the layer below has %v, %v", files(t, base.Mounts), err)
	}
	top, err := s.Prepare(t.Context(), "ns/1/c", "top", nil)
	if err != nil || len(files(t, top.Mounts)) != len(tree) || mode(t, top.Mounts[0].Source+"/link") != 0o777 {
		t.Errorf("the image has %v, %v", files(t, top.Mounts), err)
	}
}

// Who asks for it has all of the image, or more of it.
func TestOwn(t *testing.T) {
	for _, c := range []struct{ flag, label, key, want string }{
		{"", "", "ns/1/c", "bin usr"},
		{"bin", "", "ns/1/c", "usr"},
		{"", "usr,/bin/", "ns/1/c", ""},
		{"", "*", "ns/1/c", ""},
		{"*", "", "ns/1/c", ""},
		{"", "", "ns/1/extract-5 sha256:1", ""},
		{"", "", "extract-5", ""},
	} {
		s := open(t, t.TempDir(), c.flag)
		unpack(t, s, "base", "", tree...)
		n, err := s.Prepare(t.Context(), c.key, "base", map[string]string{OwnLabel: c.label})
		if err != nil {
			t.Fatal(err)
		}
		var targets []string
		for _, m := range n.Mounts[1:] {
			targets = append(targets, m.Target)
		}
		if got := strings.Join(targets, " "); got != c.want {
			t.Errorf("%+v: shared are %q", c, got)
		}
		if got := files(t, n.Mounts); !slices.Equal(got, slices.Sorted(slices.Values(tree))) {
			t.Errorf("%+v: the root has %q", c, got)
		}
	}
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", tree...)
	_, err := s.Prepare(t.Context(), "ns/1/c", "base", map[string]string{OwnLabel: "a/b"})
	fails(t, err, codes.InvalidArgument)
	if entries, _ := os.ReadDir(s.dir + "/temp"); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
	// A name that is an image's choice goes into no API.
	unpack(t, s, "odd", "", "a:b/f", "\xff/f", "a\nb/f", "opt/f")
	n, err := s.Prepare(t.Context(), "ns/1/d", "odd", nil)
	if err != nil || len(n.Mounts) != 2 || n.Mounts[1].Target != "opt" {
		t.Errorf("mounts %v, %v; want opt shared alone", n, err)
	}
}

func fails(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(coded(err)); got != want {
		t.Errorf("error %v has code %v; want %v", err, got, want)
	}
}

// What containerd tells apart by an error's code.
func TestRefusals(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", "f")
	_, err := s.Prepare(ctx, "a", "base", nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(key string) error { _, err := s.Get(key); return err }
	prepare := func(key, parent string) error { _, err := s.Prepare(ctx, key, parent, nil); return err }
	for _, c := range []struct {
		err  error
		code codes.Code
	}{
		{get("none"), codes.NotFound},
		{prepare("a", ""), codes.AlreadyExists},
		{prepare("b", "none"), codes.NotFound},
		{prepare("b", "a"), codes.FailedPrecondition},
		{prepare("", ""), codes.InvalidArgument},
		{s.Commit(ctx, "c", "none", "", nil), codes.NotFound},
		{s.Commit(ctx, "c", "base", "", nil), codes.FailedPrecondition},
		{s.Commit(ctx, "base", "a", "", nil), codes.AlreadyExists},
		{s.Commit(ctx, "", "a", "", nil), codes.InvalidArgument},
		{s.Commit(ctx, "c", "a", "other", nil), codes.InvalidArgument},
		{s.Remove("base"), codes.FailedPrecondition},
		{s.Remove("none"), codes.NotFound},
	} {
		fails(t, c.err, c.code)
	}
	if _, err := Open(s.dir, Own{}); err == nil || !strings.Contains(err.Error(), "another snapshotter") {
		t.Errorf("the store is opened twice: %v", err)
	}
}

// errKilled ends what a test does, as SIGKILL would.
var errKilled = errors.New("killed")

// TestKilled ends the snapshotter at each point that has a name: what it was doing
// is done or not, nothing else is touched, and nothing is left.
func TestKilled(t *testing.T) {
	do := map[string]func(context.Context, *Store) error{
		"prepare": func(ctx context.Context, s *Store) error { _, err := s.Prepare(ctx, "x", "base", nil); return err },
		"commit":  func(ctx context.Context, s *Store) error { return s.Commit(ctx, "new", "c", "", nil) },
		"remove":  func(_ context.Context, s *Store) error { return s.Remove("c") },
		"commit what is there": func(ctx context.Context, s *Store) error {
			if c := s.all["c"]; c != nil { // as an earlier commit leaves it
				put(t, s.tree(c.id)+"/bin/sh", "")
				put(t, s.tree(c.id)+"/usr/sh", "")
			}
			return s.Commit(ctx, "new", "c", "", nil)
		},
	}
	reached := map[string]bool{}
	for what, run := range do {
		for point := range 10 {
			dir := t.TempDir()
			s := open(t, dir, "")
			unpack(t, s, "base", "", tree...)
			if _, err := s.Prepare(t.Context(), "c", "base", nil); err != nil {
				t.Fatal(err)
			}
			before := listing(t, s)
			name := killedAt(t, s, point, run)
			reached[name] = true
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, "")
			now := listing(t, s)
			if name != "" && name != "named" && name != "committed" && name != "unnamed" && now != before {
				if now = strings.ReplaceAll(now, " usr/sh", ""); now != before {
					t.Errorf("%s, killed when %s: there are\n%s\nwant\n%s", what, name, now, before)
				}
			}
			left, _ := os.ReadDir(dir + "/temp")
			dirs, _ := os.ReadDir(dir + "/snapshots")
			if len(left) > 0 || len(dirs) != len(s.List()) {
				t.Errorf("%s, killed when %s: left are %v, %d directories of %d snapshots", what, name, left, len(dirs), len(s.List()))
			}
			if err := run(t.Context(), s); err != nil && now == before {
				t.Errorf("%s, killed when %s: it can't be done again: %v", what, name, err)
			}
			for _, n := range s.List() {
				if n.Kind == committed {
					v, err := s.View(t.Context(), "look at "+n.Key, n.Key, nil)
					if err != nil || len(files(t, v.Mounts)) != len(tree) {
						t.Errorf("%s, killed when %s: %s has %v, %v", what, name, n.Key, files(t, v.Mounts), err)
					}
				}
			}
		}
	}
	for _, name := range []string{"made", "named", "copied", "erased", "complete", "committed", "unnamed", ""} {
		if !reached[name] {
			t.Errorf("no test was killed when %s", name)
		}
	}
}

// killedAt runs something up to its n-th point, and gives the point's name; empty:
// there are fewer.
func killedAt(t *testing.T, s *Store, n int, run func(context.Context, *Store) error) (name string) {
	t.Helper()
	at = func(here string) {
		if n--; n < 0 {
			name = here
			panic(errKilled)
		}
	}
	defer func() {
		at = func(string) {}
		if fault := recover(); fault != nil && fault != errKilled { //nolint:errorlint // it is that very value
			panic(fault)
		}
	}()
	if err := run(t.Context(), s); err != nil {
		t.Error(err)
	}
	return name
}

func listing(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	for _, n := range s.List() {
		fmt.Fprintln(&b, n.Key, n.Parent, n.Kind, files(t, n.Mounts))
	}
	return b.String()
}

// Many at once, and none in the way of another.
func TestAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", tree...)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			key := fmt.Sprint("c", i%20) // each twice
			_, err := s.Prepare(t.Context(), key, "base", nil)
			switch {
			case status.Code(coded(err)) == codes.AlreadyExists, status.Code(coded(err)) == codes.NotFound:
			case err != nil:
				t.Error(err)
			case i%2 == 0:
				if err := s.Commit(t.Context(), fmt.Sprint("new", i), key, "", nil); err != nil {
					t.Error(err)
				}
			default:
				if err := s.Remove(key); err != nil {
					t.Error(err)
				}
			}
			s.List()
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, s.dir, "")
}

// Labels, by name or all, also for the next process.
func TestRelabel(t *testing.T) {
	s := open(t, t.TempDir(), "")
	if _, err := s.Prepare(t.Context(), "a", "", map[string]string{"x": "1", "y": "2"}); err != nil {
		t.Fatal(err)
	}
	change, err := changes([]string{"labels.x", "labels.z"}, map[string]string{"z": "3"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Relabel("a", change); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := open(t, s.dir, "").Get("a")
	if err != nil || len(n.Labels) != 2 || n.Labels["y"] != "2" || n.Labels["z"] != "3" {
		t.Errorf("labels %v, %v", n.Labels, err)
	}
	if _, err := changes([]string{"parent"}, nil); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a parent is changed: %v", err)
	}
}

// A container leads nobody out of its root, whatever it puts there.
func TestHostileRoot(t *testing.T) {
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", tree...)
	n, err := s.Prepare(t.Context(), "c", "base", nil)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	put(t, out+"/f", "kept")
	root := n.Mounts[0].Source
	for _, name := range []string{"usr", "etc"} { // as if nothing had been mounted
		if err := errors.Join(os.RemoveAll(root+"/"+name), os.Symlink(out, root+"/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Usage("c"); err != nil {
		t.Error(err)
	}
	if err := s.Commit(t.Context(), "new", "c", "", nil); err != nil {
		t.Error(err)
	}
	if err := s.Remove("new"); err != nil {
		t.Error(err)
	}
	entries, _ := os.ReadDir(out)
	if text, err := os.ReadFile(out + "/f"); err != nil || string(text) != "kept" || len(entries) != 1 {
		t.Errorf("outside there are %v, and %q, %v", entries, text, err)
	}
}

func TestUsage(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	s := open(t, t.TempDir(), "")
	unpack(t, s, "base", "", "usr/f")
	if v, err := s.View(t.Context(), "v", "base", nil); err != nil || mode(t, v.Mounts[0].Source) != 0o755 {
		t.Errorf("the root's mode is %o, %v; want 755, whatever the umask", mode(t, v.Mounts[0].Source), err)
	}
	base, inodes, err := s.Usage("base")
	if err != nil || base < 512 || inodes != 3 {
		t.Errorf("the image takes %d bytes, %d inodes, %v", base, inodes, err)
	}
	if _, err := s.Prepare(t.Context(), "c", "base", nil); err != nil {
		t.Fatal(err)
	}
	if size, inodes, err := s.Usage("c"); err != nil || size >= base || inodes != 2 {
		t.Errorf("a container takes %d bytes, %d inodes, %v; the image %d", size, inodes, err, base)
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode().Perm()
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"key":"a","parent":"b","kind":"active","created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z","shared":["usr"]}`))
	f.Add([]byte(`{"key":"a","kind":"view","shared":["../x"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text)
		if err != nil {
			return
		}
		for _, name := range r.Shared {
			if strings.Contains(name, "/") || strings.Trim(name, ".") == "" && len(name) < 3 {
				t.Errorf("shared is %q", name)
			}
		}
		dir := t.TempDir()
		if err := r.write(dir); err != nil {
			t.Skip(err) // a time that JSON does not have
		}
		again, err := os.ReadFile(dir + "/" + recordName)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(again); err != nil {
			t.Errorf("what is written can't be read: %v: %s", err, again)
		}
	})
}

func FuzzOwn(f *testing.F) {
	f.Add("usr,opt")
	f.Add("*,/x/")
	f.Fuzz(func(t *testing.T, list string) {
		o, err := ParseOwn(list)
		if err == nil && slices.ContainsFunc(o.names, func(n string) bool { return !plain(n) }) {
			t.Errorf("ParseOwn(%q) = %v", list, o)
		}
	})
}
