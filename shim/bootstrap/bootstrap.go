// Package bootstrap is how containerd finds a shim: its command line, the start
// of the process that stays, and the files by which both are found again.
package bootstrap

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Flags are the command line, which is that of every shim of containerd.
type Flags struct {
	Namespace, ID string
	Address       string // of containerd
	Bundle        string // absolute; the working directory unless it is given
	Socket        string // path of the socket to serve, which is descriptor 3
	Debug         bool
	Apart         bool // to delete what delete could not in time
	Info, Version bool
	Action        string // start, delete; empty: to serve
}

// Parse reads it.
func Parse(args []string, stderr io.Writer) (Flags, error) {
	var f Flags
	set := flag.NewFlagSet(filepath.Base(args[0]), flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.Namespace, "namespace", "", "containerd's `namespace` of the containers")
	set.StringVar(&f.ID, "id", "", "`id` of the container")
	set.StringVar(&f.Address, "address", "", "`path` of containerd's socket")
	set.StringVar(&f.Bundle, "bundle", "", "`directory` of the bundle, instead of the working directory")
	set.StringVar(&f.Socket, "socket", "", "`path` of the socket to serve")
	set.BoolVar(&f.Debug, "debug", false, "log more")
	set.BoolVar(&f.Apart, "apart", false, "delete without an answer; not for users")
	set.BoolVar(&f.Info, "info", false, "print what this shim is, as a protobuf, and exit")
	set.BoolVar(&f.Version, "v", false, "print the version and exit")
	set.BoolVar(&f.Version, "version", false, "print the version and exit")
	set.String("publish-binary", "", "`path` of containerd; not needed: events go to the address in TTRPC_ADDRESS")
	if err := set.Parse(args[1:]); err != nil {
		return f, err
	}
	f.Action = set.Arg(0)
	if f.Version || f.Info {
		return f, nil
	}
	return f, f.check(set.NArg())
}

func (f *Flags) check(arguments int) error {
	switch {
	case arguments > 1 || f.Action != "" && f.Action != "start" && f.Action != "delete":
		return fmt.Errorf("command %q: there are only start and delete; containerd runs this program", f.Action)
	case f.Namespace == "" || f.ID == "":
		return errors.New("-namespace and -id are needed: containerd runs this program")
	case strings.ContainsRune(f.Namespace+f.ID, '/'):
		return fmt.Errorf("-namespace %q -id %q: neither may have a slash", f.Namespace, f.ID)
	case f.Apart && f.Action != "delete":
		return errors.New("-apart is for delete alone")
	case f.Action == "" && f.Socket == "":
		return errors.New("-socket is needed to serve: run it with the command start")
	}
	if f.Bundle == "" {
		dir, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("find bundle: %w", err)
		}
		f.Bundle = dir
	}
	if !filepath.IsAbs(f.Bundle) {
		return fmt.Errorf("-bundle %q: it is not an absolute path", f.Bundle)
	}
	// A group's shim has served another container of the directory's.
	if filepath.Base(f.Bundle) != f.ID {
		f.Bundle = filepath.Join(filepath.Dir(f.Bundle), f.ID)
	}
	return nil
}

// Root is the state directory of the containers of a namespace: beside the
// directory in which containerd has their bundles, STATE/PLUGIN/NAMESPACE/ID.
func (f *Flags) Root() (string, error) {
	parts := filepath.Dir(f.Bundle)
	if filepath.Base(parts) != f.Namespace {
		return "", fmt.Errorf("bundle %s: it is not in a directory of its namespace, %s", f.Bundle, f.Namespace)
	}
	return filepath.Join(filepath.Dir(filepath.Dir(parts)), "runcell", f.Namespace), nil
}

// socketPath is the one of a group of containers: what differs between two
// daemons, namespaces or groups gives another. A group's name is its container's to
// say, and no path: with "../b/web" it would be in another namespace's shim.
func socketPath(dir, address, namespace, group string) string {
	return filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256([]byte(filepath.Clean(address)+"/"+namespace+"/"+group))))
}
