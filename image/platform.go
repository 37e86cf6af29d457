// Platforms: parsing, matching, choosing.

package image

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Platform is the system an image is for (image-spec, image-index.md).
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
	OSVersion    string `json:"os.version,omitempty"`
}

func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// archNames maps the names that uname, NetBSD and Debian use to Go's.
var archNames = []struct{ name, arch, variant string }{
	{"x86_64", "amd64", ""},
	{"aarch64", "arm64", ""},
	{"i386", "386", ""},
	{"i486", "386", ""},
	{"i686", "386", ""},
	{"armhf", "arm", "v7"},
	{"armel", "arm", "v6"},
	{"earmv7hf", "arm", "v7"},
	{"earmv6hf", "arm", "v6"},
}

// normal gives p with the architecture's usual name.
func (p Platform) normal() Platform {
	p.OS, p.Architecture, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	for _, a := range archNames {
		if a.name == p.Architecture {
			p.Architecture = a.arch
			if p.Variant == "" {
				p.Variant = a.variant
			}
		}
	}
	return p
}

// HostPlatform is the system this binary runs on.
func HostPlatform() Platform {
	return Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
}

// ParsePlatform reads os/arch[/variant]; "" is the host's.
func ParsePlatform(s string) (Platform, error) {
	if s == "" {
		return HostPlatform(), nil
	}
	parts := strings.Split(s, "/")
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") || strings.ContainsFunc(s, bad) {
		return Platform{}, fmt.Errorf("parse platform %s: want os/arch[/variant], such as netbsd/amd64 or linux/arm/v7", quote(s))
	}
	p := Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p.normal(), nil
}

// matches tells whether an image for have runs on want. A variant counts only
// if it is asked for; arm64 is v8 by definition.
func (p Platform) matches(have Platform) bool {
	have = have.normal()
	if p.OS != have.OS || p.Architecture != have.Architecture {
		return false
	}
	variant := have.Variant
	if variant == "" && have.Architecture == "arm64" {
		variant = "v8"
	}
	return p.Variant == "" || p.Variant == variant
}

// PlatformError says that an image has nothing for the platform.
type PlatformError struct {
	Want Platform
	Have []string
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("choose manifest: the image has nothing for %s, only for %s: choose one with --platform", e.Want, strings.Join(e.Have, ", "))
}
