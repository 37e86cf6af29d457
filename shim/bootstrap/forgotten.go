package bootstrap

// A bundle that containerd has forgotten: it removes one when `delete` has answered
// that the container is gone, and never asks again otherwise. The directory would keep
// the container from being started until containerd is.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// bundle is a directory that is there: another one of its name later is another
// container's.
type bundle struct {
	namespace *os.Root // the directory above it
	name      string
	dir       *os.Root
	was       fs.FileInfo
}

// openBundle opens a bundle; nil without an error = it is not there.
func openBundle(path string) (b *bundle, err error) {
	b = &bundle{name: filepath.Base(path)}
	if b.namespace, err = os.OpenRoot(filepath.Dir(path)); err == nil {
		b.was, err = b.namespace.Lstat(b.name)
	}
	if err == nil && !b.was.IsDir() {
		err = errors.New("it is no directory")
	}
	if err == nil {
		b.dir, err = b.namespace.OpenRoot(b.name)
	}
	if err == nil {
		err = b.still(b.name)
	}
	if err == nil {
		return b, nil
	}
	b.close()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	return nil, fmt.Errorf("open bundle %s: %w", path, err)
}

func (b *bundle) close() {
	for _, dir := range []*os.Root{b.namespace, b.dir} {
		if dir != nil {
			_ = dir.Close()
		}
	}
}

// still tells whether a name leads to what was opened.
func (b *bundle) still(name string) error {
	now, err := b.namespace.Lstat(name)
	if err != nil {
		return err
	}
	open, err := b.dir.Stat(".")
	if err == nil && !os.SameFile(now, open) {
		err = errors.New("another one has its place")
	}
	return err
}

// remove removes the directory and the files in it, and nothing below a directory in
// it: a root that is still mounted is the image. containerd passes by hidden names.
func (b *bundle) remove() error {
	err := b.still(b.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = allow(b.dir.Remove("rootfs"), fs.ErrNotExist)
	}
	hidden := "." + b.name + ".runcell"
	if err == nil {
		err = allow(b.namespace.Remove(hidden), fs.ErrNotExist) // of one that was killed
	}
	if err == nil {
		err = b.namespace.Rename(b.name, hidden)
	}
	if err == nil {
		if err = b.still(hidden); err != nil { // it came just now
			err = errors.Join(err, b.namespace.Rename(hidden, b.name))
		}
	}
	if err == nil {
		err = b.empty()
	}
	if err == nil {
		err = b.namespace.Remove(hidden)
	}
	if err != nil {
		return fmt.Errorf("remove bundle %s, which containerd has forgotten: %w", b.name, err)
	}
	return nil
}

// empty removes the files.
func (b *bundle) empty() error {
	list, err := fs.ReadDir(b.dir.FS(), ".")
	for _, e := range list {
		err = errors.Join(err, allow(b.dir.Remove(e.Name()), fs.ErrNotExist))
	}
	return err
}

// allow takes some errors for none.
func allow(err error, none ...error) error {
	if slices.ContainsFunc(none, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	return err
}

// answered is what delete tells the process that does its work, when it has heard
// that the work is done: it answers containerd, which removes the bundle then.
var answered = []byte{'a'}

// hears tells that the work is done, and whether delete is still there to answer.
func hears(to io.Writer, from io.Reader) bool {
	_, err := to.Write(answered)
	if err != nil {
		return false
	}
	n, _ := io.ReadFull(from, make([]byte, len(answered)))
	return n == len(answered)
}

// tells is hears' other side: it waits until the work is done, false = the process has
// ended before.
func tells(from io.Reader, to io.Writer) bool {
	if n, _ := io.ReadFull(from, make([]byte, len(answered))); n != len(answered) {
		return false
	}
	_, err := to.Write(answered)
	return err == nil || errors.Is(err, syscall.EPIPE) // it has ended since
}
