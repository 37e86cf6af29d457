package archive

// The one loop over a tar archive's entries.

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"

	"github.com/netbsd-cells/runcell/image"
)

// Entries reads a tar archive to its end and calls each for every entry, with
// its content. Names are given as they stand there, "../x" included: each
// checks them. An error of each ends the reading and is given as it is; others
// tell after which entry the archive is damaged.
func Entries(r io.Reader, each func(hdr *tar.Header, content io.Reader) error) error {
	tr := tar.NewReader(r)
	last := func() string { return "none" }
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("read the entry after %s: %w", last(), err)
		}
		name := hdr.Name // each may change the header
		last = func() string { return image.Quote(name) }
		if err := each(hdr, tr); err != nil {
			return err
		}
	}
}

// Files is Entries for an archive of at most MaxFiles entries whose files are
// read at any place later: each is told where the entry's bytes lie.
func Files(f io.ReadSeeker, each func(hdr *tar.Header, at Part) error) error {
	n := 0
	err := Entries(f, func(hdr *tar.Header, _ io.Reader) error {
		if n++; n > MaxFiles {
			return fmt.Errorf("more than %d entries", MaxFiles)
		}
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		return each(hdr, Part{Offset: offset, Size: hdr.Size})
	})
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	return nil
}
