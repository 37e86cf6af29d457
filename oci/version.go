package oci

// The specification's version: SemVer 2.0.0, forward and backward compatible
// within a major version (config.md, "Specification version").

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// VersionMin is the oldest version that Compile accepts; specs.Version, up to
// its patch number, is the newest.
const VersionMin = "1.0.0"

// checkVersion accepts 1.x, pre-releases included, up to the minor version
// that this program knows every field of.
func checkVersion(v string) error {
	if v == "" {
		return fmt.Errorf("missing; give the runtime-spec version, such as %q", specs.Version)
	}
	major, minor, ok := parseVersion(v)
	switch {
	case !ok:
		return fmt.Errorf("%q is not a version as 1.2.3 (SemVer 2.0.0)", v)
	case major != specs.VersionMajor || minor > specs.VersionMinor:
		return fmt.Errorf("%q is not supported; this program knows %s to %d.%d",
			v, VersionMin, specs.VersionMajor, specs.VersionMinor)
	}
	return nil
}

// parseVersion splits MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD].
func parseVersion(v string) (major, minor int, ok bool) {
	v, build, hasBuild := strings.Cut(v, "+")
	v, pre, hasPre := strings.Cut(v, "-")
	if hasBuild && !identifiers(build) || hasPre && !identifiers(pre) {
		return 0, 0, false
	}
	parts := strings.Split(v, ".")
	if len(parts) != 3 {
		return 0, 0, false
	}
	var n [3]int
	for i, p := range parts {
		x, err := strconv.Atoi(p)
		if err != nil || x < 0 || strconv.Itoa(x) != p {
			return 0, 0, false
		}
		n[i] = x
	}
	return n[0], n[1], true
}

// identifiers tells whether s is a dot-separated list of [0-9A-Za-z-]+.
func identifiers(s string) bool {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" {
			return false
		}
		for _, c := range []byte(id) {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-') {
				return false
			}
		}
	}
	return true
}
