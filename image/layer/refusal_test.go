package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"golang.org/x/sys/unix"
)

// A full disk is no fault of the layer.
func TestRefusal(t *testing.T) {
	a := &Applier{number: 3}
	for err, refused := range map[error]bool{
		fmt.Errorf("write: %w", unix.ENOSPC): false, unix.EDQUOT: false, unix.EIO: false, unix.EROFS: false, unix.EMFILE: false,
		unix.ENOTDIR: true, unix.ENAMETOOLONG: true, errors.New(`".." in the name`): true,
	} {
		got := a.refusal(&tar.Header{Name: "f"}, err)
		var e *image.EntryError
		if errors.As(got, &e) != refused || !errors.Is(got, err) {
			t.Errorf("%v becomes %v; refused: want %v", err, got, refused)
		}
	}
}
