package runtime

// Namespaces that the configuration names by a path.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

var namespaceTypes = map[string]int{
	"cgroup": unix.CLONE_NEWCGROUP, "ipc": unix.CLONE_NEWIPC, "mount": unix.CLONE_NEWNS, "network": unix.CLONE_NEWNET,
	"pid": unix.CLONE_NEWPID, "time": unix.CLONE_NEWTIME, "user": unix.CLONE_NEWUSER, "uts": unix.CLONE_NEWUTS,
}

// checkNamespaces refuses a path of another type (config-linux.md,
// "Namespaces"): a cell joins none of them, but a mistake is to be told.
func checkNamespaces(p *oci.Plan) error {
	for _, n := range p.Namespaces {
		if err := checkNamespace(n); err != nil {
			return fmt.Errorf("%s.path %s: %w", n.Field, n.Path, err)
		}
	}
	return nil
}

func checkNamespace(n oci.Namespace) error {
	fd, err := unix.Open(n.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	got, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("it is no namespace: %w", err)
	}
	if got != namespaceTypes[n.Type] {
		return fmt.Errorf("it is not a namespace of type %s", n.Type)
	}
	return nil
}
