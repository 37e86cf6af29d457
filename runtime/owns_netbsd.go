package runtime

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

// owns tells whether a cell was made below this state root: there its root is
// mounted.
func (r *Runtime) owns(cell kmod.Info) bool {
	dir, err := filepath.EvalSymlinks(r.root) //nolint:forbidigo // the state directory is ours alone
	return err == nil && cell.Root != dir && inroot.Within(cell.Root, dir)
}

// sameBoot tells whether the cell's id still is this container's: ids begin
// anew with every boot, and then another container can have the number.
func (c *container) sameBoot() (bool, error) {
	if sys.Alive(c.Pid, c.PidStart) {
		return true, nil
	}
	cells, err := c.rt.kmod.List()
	if errors.Is(err, kmod.ErrUnavailable) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find cell: %w", err)
	}
	return hasCell(cells, c), nil
}
