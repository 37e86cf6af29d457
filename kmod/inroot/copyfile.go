package inroot

// Private copies of the host's files in a root, for a system that mounts on
// directories only (NetBSD).

import (
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// copyName is what a copy is called while it is written.
const copyName = ".runcell.new"

// CopyFile makes what p leads to a copy of in, with this mode and in's owner.
// Missing directories are made. A regular file that has the content already
// stays as it is, so that a read-only root can be prepared beforehand; another
// kind of file is an error.
func (d *Dir) CopyFile(p string, in *os.File, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &st); err != nil {
		return err
	}
	return d.atEnd(p, true, func(dir at, name string) error {
		content := io.NewSectionReader(in, 0, st.Size)
		if same, err := dir.sameContent(name, content); same || err != nil {
			return err
		}
		return dir.replace(name, content, &st, mode)
	})
}

// sameContent compares a file with in. Where nothing is, nothing is the same;
// where another kind of file is, it is not ours to replace.
func (d at) sameContent(name string, in *io.SectionReader) (bool, error) {
	var st unix.Stat_t
	err := d.lstat(name, &st)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, errors.New("the destination is there and is not a plain file")
	}
	if st.Size != in.Size() {
		return false, nil
	}
	fd, err := d.openRegular(name, &st)
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	return equal(f, in)
}

func equal(a, b io.Reader) (bool, error) {
	p, q := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, err := io.ReadFull(a, p)
		m, err2 := io.ReadFull(b, q)
		switch {
		case err != nil && !ended(err):
			return false, err
		case err2 != nil && !ended(err2):
			return false, err2
		case !bytes.Equal(p[:n], q[:m]):
			return false, nil
		case err != nil:
			return true, nil
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// replace writes a copy beside name and renames it.
func (d at) replace(name string, in *io.SectionReader, st *unix.Stat_t, mode uint32) (err error) {
	fd, err := d.create(copyName, 0o600)
	if errors.Is(err, unix.EEXIST) { // of somebody who was ended meanwhile
		if err := d.unlink(copyName); err != nil {
			return err
		}
		fd, err = d.create(copyName, 0o600)
	}
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), copyName)
	defer func() {
		if err != nil {
			_ = d.unlink(copyName)
		}
	}()
	if _, err = in.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = unix.Fchown(fd, int(st.Uid), int(st.Gid))
	}
	if err == nil {
		err = unix.Fchmod(fd, mode)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return d.rename(copyName, name)
}
