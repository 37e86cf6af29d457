package main

// Packing, compared: a tree as an image of one layer, and what changed in it as
// a layer on top of the image that it came from.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// packer makes an image. Its steps are shell scripts, in which
// $tree is a tree that nobody changes, $base a layout with the image of which it was unpacked as :base, $own an
// empty directory, and $runcell and $buildah are programs with their flags.
type packer struct {
	name, form  string
	needs       string // the program
	ready, step string // only step is measured
	runcell     string
	in          launcher
	measured    unpacker // its rounds
}

// change makes a tree another one: each 20th file is longer, and there is a new one.
const change = `change() {
	find "$1" -type f -links 1 | sort | awk 'NR % 20 == 0' | while read -r file; do echo changed >>"$file"; done
	mkdir "$1/new"
	cp /bin/busybox "$1/new/"
}
`

const (
	formTree  = "tree"
	formBase  = "difference"
	namePack  = "runcell image pack"
	umociPath = "/usr/bin/umoci"
)

// packers are listed in the order of the table; the first of each form is the measure of the others.
func packers(o options, dir string) []*packer {
	var list []*packer
	add := func(p packer) { list = append(list, &p) }
	for _, r := range o.runcells() {
		add(packer{name: namePack + r.mark, form: formTree, needs: r.path + "-image", runcell: r.path, step: `$runcell image pack "$tree" "oci:$own/out:new"`})
	}
	if o.base == "" {
		add(packer{
			name: "umoci repack", form: formTree, needs: umociPath,
			ready: `umoci init --layout "$own/out"; umoci new --image "$own/out:new"; umoci unpack --image "$own/out:new" "$own/b"; cp -a "$tree/." "$own/b/rootfs"`,
			step:  `umoci repack --image "$own/out:new" "$own/b"`,
		})
		add(packer{
			name: "buildah commit", form: formTree, needs: buildahPath,
			ready: `$buildah from --name bench scratch; $buildah copy --quiet bench "$tree" /`,
			step:  `$buildah commit --quiet --disable-compression=false --rm bench "oci:$own/out:new"`,
		})
		add(packer{name: "tar -czf", form: formTree, needs: "/usr/bin/tar", step: `tar -czf "$own/out" -C "$tree" .`})
	}
	const both = `cp -a "$base" "$own/out"; `
	for _, r := range o.runcells() {
		add(packer{
			name: namePack + " --base" + r.mark, form: formBase, needs: r.path + "-image", runcell: r.path,
			ready: both + `cp -a "$tree" "$own/tree"; change "$own/tree"`,
			step:  `$runcell image pack --base "oci:$own/out:base" "$own/tree" "oci:$own/out:new"`,
		})
	}
	if o.base == "" {
		add(packer{
			name: "umoci repack", form: formBase, needs: umociPath,
			ready: both + `umoci unpack --image "$own/out:base" "$own/b"; change "$own/b/rootfs"`,
			step:  `umoci repack --image "$own/out:new" "$own/b"`,
		})
		add(packer{
			name: "buildah commit", form: formBase, needs: buildahPath,
			ready: both + `$buildah from --name bench "oci:$own/out:base"; change "$($buildah mount bench)"; $buildah umount bench`,
			step:  `$buildah commit --quiet --disable-compression=false --rm bench "oci:$own/out:new"`,
		})
	}
	list = append(list, &packer{name: nameWalk, form: formBase, needs: "/usr/bin/tar", step: `tar -cf - -C "$tree" . | cat >/dev/null`})
	for _, p := range list {
		p.in = plainLauncher{}
		if _, err := os.Stat(p.needs); err != nil {
			p.measured.why = err.Error()
		} else if p.needs == buildahPath {
			if p.in, err = podmanLauncher(); err != nil {
				p.measured.why = err.Error()
			}
		}
	}
	return list
}

// nameWalk reads the tree, and does nothing with it.
const nameWalk = "tar -cf - | cat"

// benchPack packs with each in turn.
func benchPack(o options, dir string, out io.Writer) (map[string][]float64, error) {
	m, err := newImageMaker(filepath.Join(dir, "image"), o.packMB, imageLayers)
	if err != nil {
		return nil, err
	}
	m.strict = true
	for n := range imageLayers {
		if err := m.nextLayer(n); err != nil {
			return nil, err
		}
	}
	image, err := m.manifest(0)
	if err == nil {
		err = m.index(0, map[string]v1.Descriptor{"base": image})
	}
	if err != nil {
		return nil, err
	}
	if _, err := run(plainLauncher{}, o.runcell+"-image", "image", "unpack", filepath.Join(dir, "image", "gzip"), filepath.Join(dir, "bundle")); err != nil {
		return nil, err
	}
	list := packers(o, dir)
	for round := range o.packRounds {
		for i := range list {
			p := list[(i+round)%len(list)]
			if p.measured.why == "" {
				if err := p.round(dir); err != nil {
					p.measured.why = err.Error()
				}
			}
		}
	}
	return printPack(out, o, list), nil
}

// round packs once.
func (p *packer) round(dir string) (err error) {
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own)) }()
	script := func(step string) []string {
		return []string{"/bin/sh", "-ec", "set -f\n" + change + fmt.Sprintf("tree=%s/bundle/rootfs base=%s/image/gzip own=%s runcell=%s-image buildah='%s'\n", dir, dir, own, p.runcell, buildahIn(dir)) + step}
	}
	if _, err := run(p.in, script(p.ready)...); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	p.measured.argv = func(string) []string { return script(p.step) }
	return p.measured.roundIn(p.in, filepath.Join(own, "out"))
}

func printPack(out io.Writer, o options, list []*packer) map[string][]float64 {
	_, _ = fmt.Fprintf(out, "\npack: a tree of %d MB, and what differs in one file of 20; gzip; %d rounds interleaved; load %s.\n", o.packMB, o.packRounds, load())
	_, _ = fmt.Fprint(out, "Medians and, in brackets, the ratio to the first of the same form; CPU is user and system.\n\n")
	samples, rows := map[string][]float64{}, map[string]*packer{}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tof the\twall s\tCPU s\tpeak RSS MiB")
	first := map[string]*packer{}
	for _, p := range list {
		u := &p.measured
		if u.why != "" || len(u.wall) == 0 {
			continue
		}
		if first[p.form] == nil {
			first[p.form] = p
		}
		least := &first[p.form].measured
		_, _ = fmt.Fprintf(t, "%s\t%s\t%.2f (%.2f)\t%.2f (%.2f)\t%.0f\n", p.name, p.form, median(u.wall), median(u.wall)/median(least.wall), median(u.cpu), median(u.cpu)/median(least.cpu), median(u.peak))
		key := "pack/" + p.form + "/" + p.name
		samples[key+"/wall"], samples[key+"/cpu"], samples[key+"/rss"] = u.wall, u.cpu, u.peak
		rows[p.name+p.form] = p
	}
	_ = t.Flush()
	if walk := rows[nameWalk+formBase]; walk != nil {
		var limits []limit
		for _, row := range []string{namePack + formTree, namePack + " --base" + formBase} {
			if p := rows[row]; p != nil {
				limits = append(limits, limit{p.name + ", wall", "to read the tree: " + nameWalk, p.measured.wall, walk.measured.wall})
			}
		}
		printLimits(out, limits)
	}
	for _, p := range list {
		if p.measured.why != "" {
			_, _ = fmt.Fprintf(out, "not measured: %s, %s: %s\n", p.name, p.form, strings.TrimSpace(p.measured.why))
		}
	}
	return samples
}
