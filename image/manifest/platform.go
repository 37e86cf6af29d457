package manifest

// Platforms: parsing, matching, choosing.

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// PlatformName is the platform as it is written on a command line.
func PlatformName(p v1.Platform) string {
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

// normalPlatform gives p with the architecture's usual name.
func normalPlatform(p v1.Platform) v1.Platform {
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
func HostPlatform() v1.Platform {
	return v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
}

// ParsePlatform reads os/arch[/variant]; "" is the host's.
func ParsePlatform(s string) (v1.Platform, error) {
	if s == "" {
		return HostPlatform(), nil
	}
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.ContainsFunc(parts, notPlatformWord) {
		return v1.Platform{}, fmt.Errorf("parse platform %s: want os/arch[/variant], such as netbsd/amd64 or linux/arm/v7", image.Quote(s))
	}
	p := v1.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return normalPlatform(p), nil
}

// notPlatformWord tells that s can be no system, architecture or variant: those
// are words, with digits and some punctuation (image-spec, image-index.md).
func notPlatformWord(s string) bool {
	notIn := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
	}
	return s == "" || s[0] == '.' || s[0] == '-' || strings.ContainsFunc(s, notIn)
}

// runsOn tells whether an image for have runs on want. A variant counts only
// if it is asked for; arm64 is v8 by definition.
func runsOn(have, want v1.Platform) bool {
	have = normalPlatform(have)
	if want.OS != have.OS || want.Architecture != have.Architecture {
		return false
	}
	variant := have.Variant
	if variant == "" && have.Architecture == "arm64" {
		variant = "v8"
	}
	return want.Variant == "" || want.Variant == variant
}

// PlatformError says that an image has nothing for the platform.
type PlatformError struct {
	Want v1.Platform
	Have []string
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("choose manifest: the image has nothing for %s, only for %s: choose one with --platform", PlatformName(e.Want), strings.Join(e.Have, ", "))
}
