package inroot

// A plain copy between two open roots, for tmpfs mounts that keep what the
// image has in the directory (tmpcopyup).

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// CopyTree copies directories, files and links below dir. Other kinds of
// files are left out, as cp -R of an unprivileged user would.
func CopyTree(src, dst *os.Root, dir string) error {
	entries, err := fs.ReadDir(src.FS(), dir)
	if err != nil {
		return err
	}
	return CopyEntries(src, dst, dir, entries)
}

// CopyEntries copies what was listed of dir.
func CopyEntries(src, dst *os.Root, dir string, entries []fs.DirEntry) error {
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		info, err := src.Lstat(name)
		if err != nil {
			return err
		}
		if err := copyEntry(src, dst, name, info); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return nil
}

func copyEntry(src, dst *os.Root, name string, info fs.FileInfo) error {
	mode := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	switch info.Mode().Type() {
	case fs.ModeDir:
		if err := dst.Mkdir(name, 0o700); err != nil {
			return err
		}
		if err := CopyTree(src, dst, name); err != nil {
			return err
		}
	case fs.ModeSymlink:
		target, err := src.Readlink(name)
		if err != nil {
			return err
		}
		if err := dst.Symlink(target, name); err != nil {
			return err
		}
		return copyOwner(dst, name, info)
	case 0:
		if err := copyFile(src, dst, name); err != nil {
			return err
		}
	default:
		return nil
	}
	if err := copyOwner(dst, name, info); err != nil {
		return err
	}
	return dst.Chmod(name, mode)
}

func copyOwner(dst *os.Root, name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return dst.Lchown(name, int(st.Uid), int(st.Gid))
}

func copyFile(src, dst *os.Root, name string) (err error) {
	in, err := src.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := dst.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
	}()
	_, err = io.Copy(out, in)
	return err
}
