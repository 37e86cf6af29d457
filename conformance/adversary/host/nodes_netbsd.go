package host

// A node for every device that a kernel could have.

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/conformance/adversary/attack"
	"golang.org/x/sys/unix"
)

// majors is more than a kernel has of each kind (sys/conf/majors).
const majors = 400

// minors are units, partitions, and what drivers make flags of.
var minors = []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 32, 64, 128, 192, 255, 256, 0x8000, 0xfff00}

// makeNodes makes all below the root, a directory for each major number.
func makeNodes(root string) error {
	for word, mode := range map[string]uint32{"c": unix.S_IFCHR, "b": unix.S_IFBLK} {
		for major := range uint32(majors) {
			dir := filepath.Join(root, attack.Nodes, fmt.Sprintf("%s%d", word, major))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make nodes: %w", err)
			}
			for _, minor := range minors {
				path := filepath.Join(dir, fmt.Sprint(minor))
				if err := makeNode(path, mode, int(unix.Mkdev(major, minor))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
