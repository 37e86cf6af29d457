package main

// How long it takes until a program of an image runs: from the command to the
// first byte that it prints.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const firstTag = "localhost/first:latest"

// makeFirst makes an image of mb megabytes, with busybox in it, in dir/gzip.
func makeFirst(dir string, mb int) error {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return fmt.Errorf("%w (install busybox-static)", err)
	}
	m, err := newImageMaker(dir, mb, imageLayers)
	if err != nil {
		return err
	}
	m.busybox, m.strict = busybox, true
	m.config.Config.Cmd = []string{"/bin/busybox", "echo", "up"}
	m.config.Config.Env = []string{"PATH=/bin"}
	for n := range imageLayers {
		if err := m.nextLayer(n); err != nil {
			return err
		}
	}
	image, err := m.manifest(0)
	if err != nil {
		return err
	}
	return m.index(0, map[string]v1.Descriptor{firstTag: image})
}

// starter runs the image's program in a new container, or what does as much.
type starter struct {
	name    string
	why     string // not measured, because
	in      launcher
	prepare func() error
	argv    func(id string) []string
	after   func(id string) error // removes what is left, if anything
}

func starters(o options, dir, layout string) []*starter {
	image := "oci:" + layout + ":" + firstTag
	var list []*starter
	for _, r := range o.runcells() {
		own := filepath.Join(dir, "runcell"+stateName.Replace(r.mark))
		store := filepath.Join(own, "store")
		imported := false
		importOnce := func() error {
			if imported {
				return nil
			}
			imported = true
			_, err := run(plainLauncher{}, r.path+"-image", "image", "import", "--store", store, image, firstTag)
			return err
		}
		for _, rootfs := range []string{"copy", "shared"} {
			list = append(list, &starter{name: "runcell run --image --rootfs " + rootfs + r.mark, in: plainLauncher{}, prepare: importOnce, argv: func(id string) []string {
				return []string{r.path, "--root", filepath.Join(own, "state"), "run", "--image", firstTag, "--store", store, "--rootfs", rootfs, id}
			}})
		}
	}
	if o.base == "" {
		list = append(list, podmanStarter(filepath.Join(dir, "podman"), layout))
	}
	return append(list, copyStarter(o, dir, layout))
}

const nameCopy = "cp -a of the image's tree"

// copyStarter copies the tree as cp does: by reference, if the file system can.
func copyStarter(o options, dir, layout string) *starter {
	tree := filepath.Join(dir, "tree")
	s := &starter{name: nameCopy, in: plainLauncher{}}
	s.prepare = func() error {
		_, err := run(s.in, o.runcell+"-image", "image", "unpack", layout, tree)
		return err
	}
	s.argv = func(id string) []string {
		return []string{"/bin/sh", "-ec", `cp -a --reflink=auto "$1" "$2"; echo up`, "sh", filepath.Join(tree, "rootfs"), filepath.Join(dir, id)}
	}
	s.after = func(id string) error { return os.RemoveAll(filepath.Join(dir, id)) }
	return s
}

func benchFirst(o options, dir string, out io.Writer) (map[string][]float64, error) {
	images := filepath.Join(dir, "image")
	if err := makeFirst(images, o.firstMB); err != nil {
		return nil, err
	}
	list, samples := starters(o, dir, filepath.Join(images, "gzip")), map[string][]float64{}
	note := func(name, what string, v float64) {
		samples["first/"+name+"/"+what] = append(samples["first/"+name+"/"+what], v)
	}
	for round := -1; round < o.firstRounds; round++ { // the first one unpacks
		for i := range list {
			s := list[(i+max(round, 0))%len(list)]
			if s.why == "" && round < 0 {
				s.because(s.prepare())
			}
			if s.why != "" {
				continue
			}
			first, whole, err := s.round(fmt.Sprintf("first-%d-%d-%d", os.Getpid(), round+1, i))
			s.because(err)
			if err == nil && round >= 0 {
				note(s.name, "first byte", ms(first))
				note(s.name, "whole", ms(whole))
			}
		}
	}
	printFirst(out, o, list, samples)
	return samples, nil
}

func (s *starter) because(err error) {
	if err != nil {
		s.why = err.Error()
	}
}

// round runs the program once.
func (s *starter) round(id string) (first, whole time.Duration, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = r.Close() }()
	argv := s.argv(id)
	c := &exec.Cmd{Path: argv[0], Args: argv, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", token}, Stdout: w}
	began := time.Now()
	if err := errors.Join(s.in.start(c), w.Close()); err != nil {
		return 0, 0, err
	}
	_, err = r.Read(make([]byte, 1))
	first = time.Since(began)
	_, _ = io.Copy(io.Discard, r)
	if e := c.Wait(); e != nil {
		err = fmt.Errorf("%q: %w", argv, e)
	} else if err != nil {
		err = fmt.Errorf("read what %q prints: %w", argv, err)
	}
	whole = time.Since(began)
	if s.after != nil {
		err = errors.Join(err, s.after(id))
	}
	return first, whole, err
}

func printFirst(out io.Writer, o options, list []*starter, samples map[string][]float64) {
	_, _ = fmt.Fprintf(out, "\nA program of an unpacked image of %d MB: until its first byte, and until everything is removed again; medians of %d, in ms; load %s.\n\n", o.firstMB, o.firstRounds, load())
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tfirst byte\tp99\twhole")
	for _, s := range list {
		if v := samples["first/"+s.name+"/first byte"]; s.why == "" {
			_, _ = fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\n", s.name, median(v), p99(v), median(samples["first/"+s.name+"/whole"]))
		}
	}
	_ = t.Flush()
	printLimits(out, []limit{{
		"--rootfs copy", "the same files, copied by cp -a --reflink=auto",
		samples["first/runcell run --image --rootfs copy/first byte"], samples["first/"+nameCopy+"/first byte"],
	}})
	for _, s := range list {
		if s.why != "" {
			_, _ = fmt.Fprintf(out, "not measured: %s: %s\n", s.name, s.why)
		}
	}
}
