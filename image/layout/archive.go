package layout

// Layouts in a tar archive.

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/archive"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// archiveSource is a layout in a tar archive: where each file's bytes lie.
type archiveSource struct {
	file  *os.File
	parts map[string]archive.Part
}

func openArchive(ctx context.Context, name string, limits image.Limits) (fileSource, error) {
	plain, err := archive.Open(ctx, name, limits)
	if err != nil {
		return nil, err
	}
	parts, err := scanArchive(plain)
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return &archiveSource{file: plain, parts: parts}, nil
}

func (a *archiveSource) Close() error { return a.file.Close() }

func (a *archiveSource) open(name string) (io.ReadCloser, int64, error) {
	p, ok := a.parts[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(a.file, p.Offset, p.Size)), p.Size, nil
}

// scanArchive finds the layout's files. Links and sparse files have no bytes
// of their own, so they are as good as missing; a name given twice would let
// two readers see two images.
func scanArchive(f *os.File) (map[string]archive.Part, error) {
	parts := map[string]archive.Part{}
	err := archive.Files(f, func(hdr *tar.Header, at archive.Part) error {
		name := path.Clean(hdr.Name)
		if hdr.Typeflag != tar.TypeReg || hdr.PAXRecords["GNU.sparse.major"] != "" || !layoutName(name) {
			return nil
		}
		if _, dup := parts[name]; dup {
			return fmt.Errorf("%s occurs twice", image.Quote(name))
		}
		parts[name] = at
		return nil
	})
	return parts, err
}

// layoutName tells whether a file can belong to a layout.
func layoutName(name string) bool {
	switch name {
	case v1.ImageLayoutFile, v1.ImageIndexFile, "manifest.json":
		return true
	}
	blob, found := strings.CutPrefix(name, v1.ImageBlobsDir+"/")
	return found && verify.Digest(digest.Digest(strings.Replace(blob, "/", ":", 1))) == nil
}
