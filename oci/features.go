package oci

// Features: what is done of a configuration, and how far the kernel's side goes, in the
// form of runtime-spec's features.md.

import (
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
)

// configAnnotations are the annotations of config.json that runcell reads, by
// their names behind AnnotationPrefix, and what each takes.
var configAnnotations = map[string]string{
	"profile":        "low, medium or high",
	"permissions":    "names of permissions, separated by commas",
	"reserved-ports": "ports such as 8080 or 192.0.2.1:80/tcp, separated by commas",
	"addresses":      "interface=address/prefix such as wm0=192.0.2.10/24, separated by commas",
	"network":        "host, addresses or none",
	"max-processes":  "a number; 0 is no limit",
}

// mountOptions are the options of config.json's mounts that are carried out
// exactly. A test compiles each.
var mountOptions = []string{
	"async", "atime", "bind", "defaults", "dev", "diratime", "exec", "loud", "noatime", "nodev", "noexec",
	"noiversion", "nolazytime", "nomand", "norelatime", "nostrictatime", "nosuid", "private", "ratime", "rbind",
	"rdev", "rdiratime", "relatime", "rexec", "rnoatime", "rnodev", "rnoexec", "rnorelatime", "rnostrictatime",
	"rnosuid", "ro", "rprivate", "rrelatime", "rro", "rrw", "rstrictatime", "rsuid", "rsymfollow", "runbindable",
	"rw", "silent", "strictatime", "suid", "symfollow", "tmpcopyup", "unbindable",
}

// featurePrefix begins the annotations that tell of the kernel's side.
const featurePrefix = "org.netbsd.runcell.kernel."

// DescribeFeatures gives the document of features.md, for a program of a version and
// a commit.
func DescribeFeatures(f kmod.Features, version, commit string) *features.Features {
	notes := map[string]string{
		"org.netbsd.runcell.version": version,
		"org.netbsd.runcell.commit":  commit,
	}
	for key, takes := range configAnnotations {
		notes[AnnotationPrefix+key] = takes
	}
	for _, r := range FeatureRows(f) {
		value := string(r.Level)
		if r.Reason != "" {
			value += ": " + r.Reason
		}
		notes[featurePrefix+r.Name] = value
	}
	no := false
	return &features.Features{
		OCIVersionMin: VersionMin,
		OCIVersionMax: specs.Version,
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  mountOptions,
		// containerd looks there without a look whether it is there.
		Linux:       &features.Linux{MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &no}}},
		Annotations: notes,
		// They widen or narrow what a cell may do.
		PotentiallyUnsafeConfigAnnotations: []string{AnnotationPrefix},
	}
}

// FeatureRow is one of the kernel's features.
type FeatureRow struct {
	Name   string
	Level  kmod.Level // or a value
	Reason string     // of a level that is not the best
}

// FeatureRows flattens the kernel's features, in the order they are printed.
func FeatureRows(f kmod.Features) []FeatureRow {
	rows := []FeatureRow{
		{"backend", kmod.Level(f.Backend), ""},
		{"abi", kmod.Level(strconv.Itoa(f.ABI)), ""},
	}
	for _, s := range f.List() {
		rows = append(rows, FeatureRow{s.Name, s.Level, s.Reason})
	}
	rows = append(rows, FeatureRow{"max-groups", kmod.Level(strconv.Itoa(f.MaxGroups)), ""})
	if len(f.Platforms) > 0 {
		reason := ""
		if !strings.HasPrefix(f.Platforms[0], "linux/") && strings.Contains(strings.Join(f.Platforms, ","), "linux/") && f.LinuxSignals() != "" {
			reason = "the emulation of Linux: " + f.LinuxSignals()
		}
		rows = append(rows, FeatureRow{"platforms", kmod.Level(strings.Join(f.Platforms, ",")), reason})
	}
	return rows
}
