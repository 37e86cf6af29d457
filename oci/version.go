package oci

// The specification's version: SemVer 2.0.0, forward and backward compatible
// within a major version (config.md, "Specification version").

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// VersionMin is the oldest version that Compile accepts; specs.Version is the
// newest whose fields it knows.
const VersionMin = "1.0.0"

// checkVersion accepts 1.x, pre-releases included. later tells that the version
// is above those whose fields this program knows: within a major version the
// fields that it does know mean the same.
func checkVersion(v string) (later bool, err error) {
	if v == "" {
		return false, fmt.Errorf("missing; give the runtime-spec version, such as %q", specs.Version)
	}
	major, minor, ok := parseVersion(v)
	switch {
	case !ok:
		return false, fmt.Errorf("%q is not a version as 1.2.3 (SemVer 2.0.0)", v)
	case major != specs.VersionMajor:
		return false, fmt.Errorf("%q is not supported; this program knows %s to %d.%d and takes any %d.x",
			v, VersionMin, specs.VersionMajor, specs.VersionMinor, specs.VersionMajor)
	}
	return minor > specs.VersionMinor, nil
}

// ociVersion: a later one is no reason to refuse what is known.
func (c *compiler) ociVersion(field string, v any) {
	version := v.(string)
	if later, err := checkVersion(version); later || err != nil {
		c.refused(field, quote(version), "later than "+specs.Version+", the newest whose fields are known here: "+
			"each field that it adds is named in a note of its own, and ignored")
		return
	}
	c.exact(field, quote(version), "")
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
