package layer

// A tree copied as if it were a layer.

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
)

// Copy copies the tree in the directory from, with everything that an image can
// have in one, into the empty directory to. hollow, if not nil, tells of which
// directories the content is left out.
func Copy(ctx context.Context, from, to string, limits image.Limits, hollow func(path string) bool) error {
	f, err := os.Open(to) //nolint:forbidigo // the operator's own path
	if err != nil {
		return err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	pr, pw := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		_, err := Pack(ctx, from, pw, PackOptions{Hollow: hollow})
		_ = pw.CloseWithError(err) // nil is the end
		packed <- err
	}()
	a := NewApplier(t, limits, &image.Notes{}, true)
	a.number = 1
	err = a.entries(ctx, pr)
	if err == nil {
		_, err = io.Copy(io.Discard, pr)
	}
	pr.CloseWithError(io.ErrClosedPipe)
	return errors.Join(err, <-packed, t.Close())
}
