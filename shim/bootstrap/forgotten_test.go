package bootstrap

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// newBundle makes what containerd makes, in a directory of its namespace, and a
// directory that the bundle has a link to.
func newBundle(t *testing.T) (path, work string) {
	t.Helper()
	dir := t.TempDir()
	path, work = filepath.Join(dir, "ns", "web"), filepath.Join(dir, "work")
	if err := errors.Join(os.MkdirAll(filepath.Join(path, "rootfs"), 0o711), os.Mkdir(work, 0o711),
		os.WriteFile(filepath.Join(work, "kept"), nil, 0o600), os.Symlink(work, filepath.Join(path, "work")),
		os.WriteFile(filepath.Join(path, "config.json"), []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path, work
}

// names are those in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// apart runs the process that goes on, whose caller answers or is gone.
func apart(t *testing.T, path string, caller bool, cells Remover) error {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer say.Close()
	if caller {
		go func() {
			_ = tells(done, out)
			_, _ = done.Close(), out.Close()
		}()
	} else {
		_, _ = done.Close(), out.Close()
	}
	return deleteApart(&Flags{ID: "web", Bundle: path}, cells, in, say)
}

// hook is package runtime for a container whose deletion is the time for something.
type hook struct {
	gone
	do func()
}

func (h hook) Delete(context.Context, string, bool) error { h.do(); return nil }

// A bundle is removed if delete does not answer containerd any more, and no other
// directory of its name or behind a link in it is.
func TestForgottenBundle(t *testing.T) {
	for name, c := range map[string]struct {
		before func(path string) error // while it is containerd's
		during func(path string) error // before it is removed
		caller bool
		left   []string
		fails  bool
	}{
		"forgotten": {},
		"answered":  {caller: true, left: []string{"web"}},
		"a killed one's rest": {before: func(path string) error {
			return os.Mkdir(filepath.Join(filepath.Dir(path), ".web.runcell"), 0o700)
		}},
		"gone": {during: os.RemoveAll},
		"gone before": {
			before: os.RemoveAll,
		},
		"another's by now": {left: []string{"old", "web"}, fails: true, during: func(path string) error {
			return errors.Join(os.Rename(path, filepath.Join(filepath.Dir(path), "old")), os.Mkdir(path, 0o700))
		}},
		"a link by now": {left: []string{"old", "web"}, fails: true, during: func(path string) error {
			return errors.Join(os.Rename(path, filepath.Join(filepath.Dir(path), "old")), os.Symlink("old", path))
		}},
		"a link": {left: []string{"old", "web"}, fails: true, before: func(path string) error {
			return errors.Join(os.Rename(path, filepath.Join(filepath.Dir(path), "old")), os.Symlink("old", path))
		}},
		"a root with something in it": {left: []string{"web"}, fails: true, before: func(path string) error {
			return os.WriteFile(filepath.Join(path, "rootfs/file"), nil, 0o600)
		}},
	} {
		path, work := newBundle(t)
		if c.before != nil {
			if err := c.before(path); err != nil {
				t.Fatal(err)
			}
		}
		var derr error
		deleted := false
		err := apart(t, path, c.caller, hook{do: func() {
			deleted = true
			if c.during != nil {
				derr = c.during(path)
			}
		}})
		if derr != nil || (err != nil) != c.fails {
			t.Errorf("%s: %v, %v; want an error %v", name, err, derr, c.fails)
		}
		if !deleted {
			t.Errorf("%s: the container is left", name)
		}
		if left := names(t, filepath.Dir(path)); !slices.Equal(left, c.left) {
			t.Errorf("%s: %q is left; want %q", name, left, c.left)
		}
		if kept := names(t, work); len(kept) != 1 {
			t.Errorf("%s: behind the link is %q", name, kept)
		}
		if fi, err := os.Lstat(filepath.Join(path, "config.json")); c.caller && (err != nil || !fi.Mode().IsRegular()) {
			t.Errorf("%s: of the bundle that is containerd's: %v", name, err)
		}
	}
}

// A directory with something in it stays, whatever it is.
func TestForgottenBundleIsShallow(t *testing.T) {
	path, _ := newBundle(t)
	deep := filepath.Join(path, "deep/file")
	if err := errors.Join(os.Mkdir(filepath.Dir(deep), 0o700), os.WriteFile(deep, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := apart(t, path, false, gone{}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(path), ".web.runcell/deep/file")); err != nil {
		t.Errorf("what was in a directory is gone: %v", err)
	}
}

// What could not be deleted keeps its bundle: containerd asks for it after a restart.
func TestUndeletedKeepsItsBundle(t *testing.T) {
	path, _ := newBundle(t)
	want := errors.New("busy")
	if err := apart(t, path, false, gone{want}); !errors.Is(err, want) {
		t.Errorf("apart = %v; want %v", err, want)
	}
	if _, err := os.Lstat(filepath.Join(path, "config.json")); errors.Is(err, fs.ErrNotExist) {
		t.Error("the bundle is gone")
	}
}

// Who waits for the work does not take a process that ended for one that has done it.
func TestTells(t *testing.T) {
	r, w := io.Pipe()
	_ = w.Close()
	if tells(r, io.Discard) {
		t.Error("a process that ended has done its work")
	}
}
