package main

// runcell features.

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/urfave/cli/v3"
)

func (a *app) featuresCommand() *cli.Command {
	return &cli.Command{
		Name:  "features",
		Usage: "print what this runtime and this kernel can do",
		Description: `Each row says how far the kernel's side goes: "enforced", "recorded" (kept and
shown, but not enforced) or "absent", with the reason.`,
		Flags: []cli.Flag{cmdline.FormatFlag("json", "table")},
		Action: a.action(func(_ context.Context, cmd *cli.Command) error {
			if err := noArguments(cmd); err != nil {
				return err
			}
			e, err := a.engine(cmd)
			if err != nil {
				return err
			}
			f, err := e.Features()
			if err != nil {
				return err
			}
			if cmd.String("format") == "table" {
				return writeFeatures(a.Stdout, f)
			}
			return cmdline.WriteJSON(a.Stdout, describeFeatures(f), "  ")
		}),
	}
}

// configAnnotations are the annotations of config.json that runcell reads, by
// their names behind oci.AnnotationPrefix, and what each takes.
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

// describeFeatures gives the document of runtime-spec's features.md.
func describeFeatures(f kmod.Features) features.Features {
	notes := map[string]string{
		"org.netbsd.runcell.version": version,
		"org.netbsd.runcell.commit":  commit,
	}
	for key, takes := range configAnnotations {
		notes[oci.AnnotationPrefix+key] = takes
	}
	for _, r := range featureRows(f) {
		value := string(r.level)
		if r.reason != "" {
			value += ": " + r.reason
		}
		notes[featurePrefix+r.name] = value
	}
	return features.Features{
		OCIVersionMin: oci.VersionMin,
		OCIVersionMax: specs.Version,
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  mountOptions,
		Annotations:   notes,
		// They widen or narrow what a cell may do.
		PotentiallyUnsafeConfigAnnotations: []string{oci.AnnotationPrefix},
	}
}

type featureRow struct {
	name   string
	level  kmod.Level
	reason string
}

// featureRows flattens the kernel's features, in the order they are printed.
func featureRows(f kmod.Features) []featureRow {
	rows := []featureRow{
		{"backend", kmod.Level(f.Backend), ""},
		{"abi", kmod.Level(strconv.Itoa(f.ABI)), ""},
	}
	for _, s := range f.List() {
		rows = append(rows, featureRow{s.Name, s.Level, s.Reason})
	}
	rows = append(rows, featureRow{"max-groups", kmod.Level(strconv.Itoa(f.MaxGroups)), ""})
	if len(f.Platforms) > 0 {
		reason := ""
		if !strings.HasPrefix(f.Platforms[0], "linux/") && strings.Contains(strings.Join(f.Platforms, ","), "linux/") && f.LinuxSignals() != "" {
			reason = "the emulation of Linux: " + f.LinuxSignals()
		}
		rows = append(rows, featureRow{"platforms", kmod.Level(strings.Join(f.Platforms, ",")), reason})
	}
	return rows
}

// writeFeatures prints the kernel's side as a table.
func writeFeatures(w io.Writer, f kmod.Features) error {
	table := [][]string{{"FEATURE", "SUPPORT", "REASON"}}
	for _, r := range featureRows(f) {
		table = append(table, []string{r.name, string(r.level), r.reason})
	}
	return cmdline.WriteTable(w, table)
}
