package main

// Unpacking, compared.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// unpacker unpacks one form of the image into a new directory.
type unpacker struct {
	name, form string
	needs      string // the program
	why        string // not measured, because
	argv       func(target string) []string
	wall, cpu  []float64 // seconds
	peak       []float64 // MiB
	said       string    // in the last round
}

// unpackers are listed in the order of the table; the first of each form is
// the measure of the others.
func unpackers(o options, dir string) (_ []*unpacker, err error) {
	layout := func(form string) string { return filepath.Join(dir, form) }
	step := func(form, step string) func(string) []string {
		blobs, e := layerFiles(layout(form))
		err = errors.Join(err, e)
		return func(target string) []string {
			script := "mkdir " + target + "\n"
			for _, b := range blobs {
				script += strings.NewReplacer("BLOB", b, "TARGET", target).Replace(step) + "\n"
			}
			return []string{"/bin/sh", "-ec", script}
		}
	}
	list := []*unpacker{
		{name: "tar -xzf", form: "gzip", needs: "/usr/bin/tar", argv: step("gzip", "tar -xzf BLOB -C TARGET")},
	}
	list = append(list, runcellUnpackers(o, "gzip", layout("gzip"))...)
	list = append(
		list,
		&unpacker{name: "umoci raw unpack", form: "gzip", needs: "/usr/bin/umoci", argv: func(target string) []string {
			return []string{"/usr/bin/umoci", "raw", "unpack", "--image", layout("gzip") + ":bench", target}
		}},
		&unpacker{name: "zstd -d | tar -x", form: "zstd", needs: "/usr/bin/zstd", argv: step("zstd", "zstd -dcq <BLOB | tar -xf - -C TARGET")},
	)
	list = append(list, runcellUnpackers(o, "zstd", layout("zstd"))...)
	list = append(list, &unpacker{name: namePlain, form: "none", needs: "/usr/bin/tar", argv: step("plain", "tar -xf BLOB -C TARGET")})
	for _, u := range list {
		if _, err := os.Stat(u.needs); err != nil {
			u.why = err.Error()
		}
	}
	return list, err
}

const (
	nameUnpack = "runcell image unpack"
	namePlain  = "tar -xf"
)

func runcellUnpackers(o options, form, layout string) []*unpacker {
	var list []*unpacker
	for _, r := range o.runcells() {
		list = append(list, &unpacker{name: nameUnpack + r.mark, form: form, needs: r.path + "-image", argv: func(target string) []string {
			return []string{r.path + "-image", "image", "unpack", layout, target}
		}})
	}
	return list
}

// unpackLimits are of runcell's rows: what the file system takes for the same
// files.
func unpackLimits(list []*unpacker) []limit {
	rows := map[string]*unpacker{}
	for _, u := range list {
		rows[u.form+u.name] = u
	}
	var limits []limit
	plain := rows["none"+namePlain]
	for _, form := range []string{"gzip", "zstd"} {
		row := rows[form+nameUnpack]
		limits = append(limits,
			limit{form + ", wall", "the same layers, not compressed and not verified: tar -xf", row.wall, plain.wall},
			limit{form + ", CPU", "the same", row.cpu, plain.cpu})
	}
	return limits
}

// layerFiles are the blobs of a layout's only image, the lowest first.
func layerFiles(layout string) ([]string, error) {
	var index v1.Index
	if err := readJSON(filepath.Join(layout, v1.ImageIndexFile), &index); err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("%s has %d images; want one", layout, len(index.Manifests))
	}
	if err := readJSON(blobPath(layout, index.Manifests[0].Digest), &manifest); err != nil {
		return nil, err
	}
	var files []string
	for _, l := range manifest.Layers {
		files = append(files, blobPath(layout, l.Digest))
	}
	return files, nil
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode %s: %w", file, err)
	}
	return nil
}

// benchUnpack makes the image and measures every unpacker in turn.
func benchUnpack(o options, _ string, out io.Writer) (_ map[string][]float64, err error) {
	dir, err := os.MkdirTemp(memoryDir(), "runcell-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	images := o.image
	if images == "" {
		images = filepath.Join(dir, "image")
	}
	if _, e := os.Stat(images); e != nil {
		if _, err := makeImage(images, o.imageMB); err != nil {
			return nil, err
		}
	}
	list, err := unpackers(o, images)
	if err != nil {
		return nil, err
	}
	for r := range o.unpackRounds {
		for i := range list {
			u := list[(i+r)%len(list)]
			if u.why == "" {
				if err := u.round(filepath.Join(dir, "out")); err != nil {
					u.why = err.Error()
				}
			}
		}
	}
	printUnpack(out, o, list)
	printLimits(out, unpackLimits(list))
	samples := map[string][]float64{}
	for _, u := range list {
		key := "unpack/" + u.form + "/" + u.name
		samples[key+"/wall"], samples[key+"/cpu"], samples[key+"/rss"] = u.wall, u.cpu, u.peak
	}
	return samples, nil
}

// round unpacks once, and removes what was unpacked.
func (u *unpacker) round(target string) error { return u.roundIn(plainLauncher{}, target) }

func (u *unpacker) roundIn(l launcher, target string) error {
	// A process inherits its parent's peak over exec, so a small parent has
	// to measure: busybox.
	argv := append([]string{"/bin/busybox", "time", "-f", "peak %M %U %S"}, u.argv(target)...)
	cost, text, err := capture(l, argv...)
	if err := errors.Join(err, os.RemoveAll(target)); err != nil {
		return err
	}
	u.said, text, _ = strings.Cut(text, "peak ")
	var rss, user, sys float64
	if _, err := fmt.Sscan(text, &rss, &user, &sys); err != nil {
		return fmt.Errorf("busybox time printed %q: %w", text, err)
	}
	u.wall = append(u.wall, cost.wall.Seconds())
	u.cpu = append(u.cpu, user+sys)
	// Linux counts KiB; busybox takes them for pages and prints those as KiB.
	kib := rss * 1024 / float64(os.Getpagesize())
	u.peak = append(u.peak, kib/1024)
	return nil
}

// printUnpack writes a row an unpacker: medians, and the ratio to the measure.
func printUnpack(out io.Writer, o options, list []*unpacker) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	say("\nunpack: an image of %d MB in %d layers, %d rounds interleaved; %d CPUs, load %s.\n", o.imageMB, imageLayers, o.unpackRounds, runtime.NumCPU(), load())
	say("Medians and, in brackets, the ratio to the first of the same form; CPU is user and system.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tform\twall s\tCPU s\tpeak RSS MiB\twall min..max")
	var first *unpacker
	for _, u := range list {
		if first == nil || first.form != u.form {
			first = u
		}
		if u.why != "" || len(u.wall) == 0 {
			continue
		}
		ratio := func(v, base []float64) string {
			if len(base) == 0 {
				return fmt.Sprintf("%.2f", median(v))
			}
			return fmt.Sprintf("%.2f (%.2f)", median(v), median(v)/median(base))
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.0f\t%.1f..%.1f\n", u.name, u.form, ratio(u.wall, first.wall), ratio(u.cpu, first.cpu), median(u.peak), slices.Min(u.wall), slices.Max(u.wall))
	}
	_ = t.Flush()
	for _, u := range list {
		if u.why != "" {
			say("not measured: %s, %s: %s\n", u.name, u.form, u.why)
		}
	}
}

// load is the machine's load average, which says how far to trust the times.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(data), " ")
	return one
}
