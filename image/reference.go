// Names of images on the command line.

package image

import (
	"fmt"
	"os"
	"strings"
)

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

// Reference names an image: oci:DIR[:REF], oci-archive:FILE[:REF], or a path.
type Reference struct {
	Transport Transport // empty for a plain path: decided by what is there
	Path      string
	Ref       string // annotation org.opencontainers.image.ref.name, may be empty
}

func (r Reference) String() string {
	s := r.Path
	if r.Transport != "" {
		s = string(r.Transport) + ":" + s
	}
	if r.Ref != "" {
		s += ":" + r.Ref
	}
	return s
}

// ParseReference splits an image name. As with skopeo, the path ends at the
// first colon; a plain path with a colon in it is written ./that:way and must
// exist (see Open). It does not look at the file system.
func ParseReference(s string) (Reference, error) {
	if strings.ContainsRune(s, 0) {
		return Reference{}, fmt.Errorf("parse image name %s: it contains a NUL byte", quote(s))
	}
	scheme, rest, found := strings.Cut(s, ":")
	r := Reference{Transport: Transport(scheme)}
	switch {
	case found && (r.Transport == LayoutDir || r.Transport == LayoutArchive || r.Transport == DockerArchive):
		r.Path, r.Ref, _ = strings.Cut(rest, ":")
	case found && strings.HasPrefix(rest, "//"):
		return Reference{}, fmt.Errorf("parse image name %s: no transport %q: name a layout (oci:DIR[:REF]) or an archive (oci-archive:FILE[:REF])", quote(s), scheme)
	default:
		r = Reference{Path: s}
	}
	if r.Path == "" {
		return Reference{}, fmt.Errorf("parse image name %s: the path is empty; want oci:DIR[:REF], oci-archive:FILE[:REF] or a path", quote(s))
	}
	return r, nil
}

// locate decides what a plain path means: the path as it stands if it exists,
// else PATH:REF. A directory is a layout, anything else an archive.
func (r Reference) locate() (Reference, error) {
	if r.Transport != "" {
		return r, nil
	}
	fi, err := os.Stat(r.Path)
	if err != nil {
		path, ref, found := strings.Cut(r.Path, ":")
		if !found || path == "" {
			return r, fmt.Errorf("open image: %w", err)
		}
		r.Path, r.Ref = path, ref
		if fi, err = os.Stat(path); err != nil {
			return r, fmt.Errorf("open image: %w", err)
		}
	}
	r.Transport = LayoutArchive
	if fi.IsDir() {
		r.Transport = LayoutDir
	}
	return r, nil
}
