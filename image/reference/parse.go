package reference

// Names of images on the command line.

import (
	"fmt"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/image"
)

// compressed are the ends of names that stand for a compressed archive.
var compressed = []string{".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"}

// ParseNew is ParsePlace for an image that need not exist.
func ParseNew(name string) (Place, error) {
	r, err := ParsePlace(name)
	switch {
	case err != nil:
		return r, err
	case r.Transport == DockerArchive:
		return r, fmt.Errorf("%s: only OCI images are made: write oci-archive:%s", name, r.Path)
	case r.Transport != "":
		return r, nil
	}
	if _, err := os.Stat(r.Path); err != nil { //nolint:forbidigo // the operator's own path
		r.Path, r.Ref, _ = strings.Cut(r.Path, ":")
	}
	if r.Path == "" {
		return r, fmt.Errorf("parse image name %s: the path is empty", image.Quote(name))
	}
	for _, suffix := range compressed {
		if strings.HasSuffix(r.Path, suffix) {
			return r, fmt.Errorf("parse image name %s: archives are made without compression, which their layers have: name it %s.tar, or oci:%s for a directory of that name",
				image.Quote(name), strings.TrimSuffix(r.Path, suffix), r.Path)
		}
	}
	r.Transport = LayoutDir
	if strings.HasSuffix(r.Path, ".tar") {
		r.Transport = LayoutArchive
	}
	return r, nil
}

// Transport says how an image is stored.
type Transport string

const (
	// LayoutDir is an OCI image layout in a directory.
	LayoutDir Transport = "oci"
	// LayoutArchive is a tar archive of a layout.
	LayoutArchive Transport = "oci-archive"
	// DockerArchive is what "docker save" makes; it can only be imported.
	DockerArchive Transport = "docker-archive"
)

// Place names an image by where it is: oci:DIR[:REF], oci-archive:FILE[:REF],
// or a path.
type Place struct {
	Transport Transport // empty for a plain path: decided by what is there
	Path      string
	Ref       string // annotation org.opencontainers.image.ref.name, may be empty
}

// String is the place as ParsePlace reads it.
func (r Place) String() string {
	s := r.Path
	if r.Transport != "" {
		s = string(r.Transport) + ":" + s
	}
	if r.Ref != "" {
		s += ":" + r.Ref
	}
	return s
}

// ParsePlace splits an image name. As with skopeo, the path ends at the
// first colon; a plain path with a colon in it is written ./that:way and must
// exist. It does not look at the file system.
func ParsePlace(s string) (Place, error) {
	if strings.ContainsRune(s, 0) {
		return Place{}, fmt.Errorf("parse image name %s: it contains a NUL byte", image.Quote(s))
	}
	scheme, rest, found := strings.Cut(s, ":")
	r := Place{Transport: Transport(scheme)}
	switch {
	case found && (r.Transport == LayoutDir || r.Transport == LayoutArchive || r.Transport == DockerArchive):
		r.Path, r.Ref, _ = strings.Cut(rest, ":")
	case strings.HasPrefix(rest, "//"):
		return Place{}, fmt.Errorf("parse image name %s: no transport %q: name a layout (oci:DIR[:REF]) or an archive (oci-archive:FILE[:REF])", image.Quote(s), scheme)
	default:
		r = Place{Path: s}
	}
	if r.Path == "" {
		return Place{}, fmt.Errorf("parse image name %s: the path is empty; want oci:DIR[:REF], oci-archive:FILE[:REF] or a path", image.Quote(s))
	}
	return r, nil
}

// Locate decides what a plain path means: the path as it stands if it exists,
// else PATH:REF. A directory is a layout, anything else an archive.
func (r Place) Locate() (Place, error) {
	if r.Transport != "" {
		return r, nil
	}
	fi, err := os.Stat(r.Path) //nolint:forbidigo // the operator's own path
	if err != nil {
		r.Path, r.Ref, _ = strings.Cut(r.Path, ":")
		fi, err = os.Stat(r.Path) //nolint:forbidigo // the operator's own path
	}
	if err != nil {
		return r, fmt.Errorf("open image: %w", err)
	}
	r.Transport = LayoutArchive
	if fi.IsDir() {
		r.Transport = LayoutDir
	}
	return r, nil
}
