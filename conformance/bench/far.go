package main

// Pulls from a registry that is far away: an image of many layers, and then one
// that differs in the last of them.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	farLayers  = 12
	roundTrip  = 30 * time.Millisecond
	farTag     = "image"
	changedTag = "changed"
)

// makeTwins makes two images of mb megabytes in dir/gzip: all of their layers but the last are the same.
func makeTwins(dir string, mb int) (images map[string]v1.Descriptor, err error) {
	m, err := newImageMaker(dir, mb, farLayers)
	if err != nil {
		return nil, err
	}
	m.strict = true
	for n := range farLayers - 1 {
		if err := m.nextLayer(n); err != nil {
			return nil, err
		}
	}
	files, dirs, layers, ids := slices.Clone(m.files), slices.Clone(m.dirs), m.layers, slices.Clone(m.config.RootFS.DiffIDs)
	images = map[string]v1.Descriptor{}
	for _, tag := range []string{farTag, changedTag} {
		m.files, m.dirs, m.layers, m.config.RootFS.DiffIDs = slices.Clone(files), slices.Clone(dirs), layers, slices.Clone(ids)
		if err := m.nextLayer(farLayers - 1); err != nil {
			return nil, err
		}
		if images[tag], err = m.manifest(0); err != nil {
			return nil, err
		}
	}
	return images, m.index(0, images)
}

// puller is a program that pulls.
type puller struct {
	name, needs string
	why         string // not measured, because
	// pull fetches ADDRESS/x:TAG into what is below dir, which is its own.
	pull func(dir, address, tag string) error
}

func pullers(o options) []*puller {
	var list []*puller
	for _, r := range o.runcells() {
		list = append(list, &puller{name: "runcell image pull" + r.mark, needs: r.path + "-image", pull: func(dir, address, tag string) error {
			return pull(r.path, filepath.Join(dir, "store"), address+"/x:"+tag)
		}})
	}
	if o.base == "" {
		list = append(list, &puller{name: "skopeo copy", needs: "/usr/bin/skopeo", pull: func(dir, address, tag string) error {
			_, err := run(plainLauncher{}, "/usr/bin/skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "docker://"+address+"/x:"+tag, "oci:"+filepath.Join(dir, "layout")+":"+tag)
			return err
		}})
		list = append(list, podmanPuller())
	}
	for _, p := range list {
		if _, err := os.Stat(p.needs); err != nil && p.why == "" {
			p.why = err.Error()
		}
	}
	return list
}

// benchFar pulls with each in turn, each time into a new store.
func benchFar(o options, dir string, out io.Writer) (_ map[string][]float64, err error) {
	images, err := makeTwins(filepath.Join(dir, "registry"), o.farMB)
	if err != nil {
		return nil, err
	}
	c := &counter{layout: filepath.Join(dir, "registry", "gzip"), documents: map[string]v1.Descriptor{}}
	for tag, d := range images {
		c.documents[tag], c.documents[string(d.Digest)] = d, d
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server, ended := &http.Server{Handler: c}, make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	far, err := newFarServer(l.Addr().String(), roundTrip)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, far.stop()) }()
	list, samples := pullers(o), map[string][]float64{}
	for round := range o.farRounds {
		for i := range list {
			p := list[(i+round)%len(list)]
			if p.why != "" {
				continue
			}
			if err := p.round(filepath.Join(dir, fmt.Sprintf("far-%d-%d", round, i)), far.addr(), c, samples); err != nil {
				p.why = err.Error()
			}
		}
	}
	printFar(out, o, list, samples)
	return samples, nil
}

// round pulls the one image and then the other.
func (p *puller) round(dir, address string, c *counter, samples map[string][]float64) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, tag := range []string{farTag, changedTag} {
		c.take()
		began := time.Now()
		if err := p.pull(dir, address, tag); err != nil {
			return err
		}
		took := time.Since(began)
		get, head := c.take()
		for what, v := range map[string]float64{"wall": ms(took), "GET": float64(get), "HEAD": float64(head)} {
			key := "far/" + p.name + "/" + tag + "/" + what
			samples[key] = append(samples[key], v)
		}
	}
	return nil
}

// leastTrips are the round trips of the fastest way: to connect, to ask for the
// manifest, and for all else at once.
const leastTrips = 3

func printFar(out io.Writer, o options, list []*puller, samples map[string][]float64) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	say("\nPulls of %d MB in %d layers from a registry at a distance of %v, and then of the image with another last layer: medians of %d, in ms; load %s.\n", o.farMB, farLayers, roundTrip, o.farRounds, load())
	say("podman unpacks, too.\n\n")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\twall\tGET\tHEAD\tchanged, wall\tGET\tHEAD")
	for _, p := range list {
		if p.why != "" {
			continue
		}
		_, _ = fmt.Fprint(t, p.name)
		for _, tag := range []string{farTag, changedTag} {
			for _, what := range []string{"wall", "GET", "HEAD"} {
				_, _ = fmt.Fprintf(t, "\t%.0f", median(samples["far/"+p.name+"/"+tag+"/"+what]))
			}
		}
		_, _ = fmt.Fprintln(t)
	}
	_ = t.Flush()
	least := []float64{leastTrips * ms(roundTrip)}
	floor := fmt.Sprintf("%d round trips: a connection, the manifest, all else at once", leastTrips)
	printLimits(out, []limit{
		{farTag, floor, samples["far/runcell image pull/"+farTag+"/wall"], least},
		{changedTag, floor, samples["far/runcell image pull/"+changedTag+"/wall"], least},
	})
	for _, p := range list {
		if p.why != "" {
			say("not measured: %s: %s\n", p.name, p.why)
		}
	}
}
