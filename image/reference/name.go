package reference

// Names: registry, repository, tag or digest.

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/opencontainers/go-digest"
)

// Name is an image's full name: registry, repository, and a tag or a digest.
type Name struct {
	Registry   string // host[:port], such as docker.io or localhost
	Repository string // such as library/busybox
	Tag        string // empty if there is a digest
	Digest     digest.Digest
}

// LocalRegistry is where short names of images made on this machine belong,
// as podman has it: no registry can take such a name over.
const LocalRegistry = "localhost"

// String is the full name, which ParseName reads again.
func (n Name) String() string {
	s := n.Registry + "/" + n.Repository
	if n.Digest != "" {
		return s + "@" + string(n.Digest)
	}
	return s + ":" + n.Tag
}

// ParseName reads a name as docker and podman do: a name without a registry
// belongs to docker.io (short is then true), one without a slash to its
// repository library, and the tag is latest unless there is a tag or digest.
// A digest makes the tag meaningless, so it is dropped.
func ParseName(s string) (n Name, short bool, err error) {
	named, err := reference.ParseDockerRef(s)
	if err != nil {
		return n, false, fmt.Errorf("parse image name %s: %w: want [REGISTRY/]NAME[:TAG] or [REGISTRY/]NAME@sha256:HEX", image.Quote(s), err)
	}
	n = Name{Registry: reference.Domain(named), Repository: reference.Path(named)}
	switch r := named.(type) {
	case reference.Digested:
		n.Digest = r.Digest()
		if err := verify.Digest(n.Digest); err != nil {
			return Name{}, false, fmt.Errorf("parse image name %s: %w", image.Quote(s), err)
		}
	case reference.Tagged:
		n.Tag = r.Tag()
	default:
		return Name{}, false, fmt.Errorf("parse image name %s: %w", image.Quote(s), errors.New("neither tag nor digest"))
	}
	return n, isShort(s), nil
}

// ParseRepository reads the name of a repository, as ParseName does. A tag or digest
// in it is an error. The name that it gives has neither.
func ParseRepository(s string) (n Name, err error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return n, fmt.Errorf("parse repository %s: %w: want [REGISTRY/]NAME", image.Quote(s), err)
	}
	if !reference.IsNameOnly(named) {
		return n, fmt.Errorf("parse repository %s: it has a tag or digest: leave that out, as in %s: want [REGISTRY/]NAME", image.Quote(s), reference.FamiliarName(named))
	}
	return Name{Registry: reference.Domain(named), Repository: reference.Path(named)}, nil
}

// ParseRegistry reads the name of a registry, host[:port]. Docker Hub is docker.io, by
// whatever name.
func ParseRegistry(s string) (string, error) {
	n, short, err := ParseName(s + "/x")
	switch {
	case err != nil, short, strings.Contains(s, "/"):
		return "", fmt.Errorf("parse registry %s: want HOST[:PORT], such as registry.example.com", image.Quote(s))
	case n.Registry == "registry-1.docker.io":
		return "docker.io", nil
	}
	return n.Registry, nil
}

// isShort tells whether a name has no registry: its first component then
// doesn't look like a host.
func isShort(s string) bool {
	host, _, found := strings.Cut(s, "/")
	return !found || !strings.ContainsAny(host, ".:") && host != LocalRegistry && strings.ToLower(host) == host
}

// Local is the full name of an image that is made on this machine: a
// short one belongs to localhost, not to docker.io.
func Local(s string) (Name, error) {
	n, short, err := ParseName(s)
	if err != nil {
		return n, err
	}
	if n.Digest != "" {
		return n, fmt.Errorf("image name %s: a new image can't be named by a digest: give a tag", image.Quote(s))
	}
	if short {
		n = n.local()
	}
	return n, nil
}

// local moves a short name from docker.io to localhost.
func (n Name) local() Name {
	n.Registry, n.Repository = LocalRegistry, strings.TrimPrefix(n.Repository, "library/")
	return n
}

// Candidates lists the full names that s can mean in the store, in the order
// in which they are looked for: as it stands (other tools name images as they
// like), on this machine, and normalized.
func Candidates(s string) ([]string, error) {
	n, short, err := ParseName(s)
	if err != nil {
		return nil, err
	}
	list := []string{s}
	if short {
		list = append(list, n.local().String())
	}
	return append(list, n.String()), nil
}
