package layout

// What Pack makes under a name of its own before it takes its final one. It is
// locked while somebody works on it, so that the next Pack can tell what a
// killed one left, and remove it.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

// tempPrefix is how the names of temporaries beside target begin; digits
// follow.
func tempPrefix(target string) string { return "." + filepath.Base(target) + ".tmp-" }

// tempDir makes a locked directory beside target.
func tempDir(ctx context.Context, target string) (*os.File, error) {
	return lockedTemp(ctx, func() (*os.File, error) {
		name, err := os.MkdirTemp(filepath.Dir(target), tempPrefix(target))
		if err != nil {
			return nil, err
		}
		f, err := os.Open(name) //nolint:forbidigo // made just now, beside the operator's own path
		if err != nil {
			return nil, errors.Join(err, os.Remove(name))
		}
		return f, nil
	})
}

// tempFile makes a locked file beside target.
func tempFile(ctx context.Context, target string) (*os.File, error) {
	return lockedTemp(ctx, func() (*os.File, error) {
		return os.CreateTemp(filepath.Dir(target), tempPrefix(target))
	})
}

// lockedTemp locks what create makes. Between the two another Pack can take
// it for stale: then it is gone, and made anew.
func lockedTemp(ctx context.Context, create func() (*os.File, error)) (*os.File, error) {
	for {
		f, err := create()
		if err != nil {
			return nil, err
		}
		err = flock.Lock(ctx, int(f.Fd()), flock.Exclusive)
		if ctx.Err() != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		// A file system without locks keeps what is stale, too.
		if err != nil || lock.IsAt(f, f.Name()) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// removeStale removes what killed Packs have left beside target.
func removeStale(target string) error {
	dir, prefix := filepath.Dir(target), tempPrefix(target)
	list, err := os.ReadDir(dir)                         //nolint:forbidigo // the operator's own path
	if err != nil && !errors.Is(err, fs.ErrPermission) { // to write there is enough
		return err
	}
	for _, e := range list {
		digits, found := strings.CutPrefix(e.Name(), prefix)
		if !found || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if err := removeIfStale(dir + "/" + e.Name()); err != nil {
			return fmt.Errorf("remove what an interrupted pack has left: %w", err)
		}
	}
	return nil
}

// removeIfStale leaves alone what is locked, what is another user's, and what
// no Pack makes.
func removeIfStale(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) //nolint:forbidigo // as above
	if err != nil {
		return nil //nolint:nilerr // gone by now, or not ours
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	kind := uint32(st.Mode) & unix.S_IFMT
	if int(st.Uid) != os.Geteuid() || kind != unix.S_IFDIR && kind != unix.S_IFREG {
		return nil
	}
	// Without locks nobody can tell what is stale.
	if locked, _ := flock.Try(int(f.Fd()), flock.Exclusive); !locked || !lock.IsAt(f, path) {
		return nil
	}
	return os.RemoveAll(path)
}

// insideTemp is how the names of temporaries inside a layout begin.
const insideTemp = ".runcell.tmp-"

// Temp opens a new file in the layout.
func (out *Writer) Temp() (*os.File, error) {
	out.temps++
	name := fmt.Sprintf("%s%d", insideTemp, out.temps)
	return out.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
}

// removeTemps removes what killed Packs have left in the layout, which is
// locked.
func (out *Writer) removeTemps() error {
	f, err := out.dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, insideTemp) {
			err = errors.Join(err, out.dir.Remove(name))
		}
	}
	return err
}
