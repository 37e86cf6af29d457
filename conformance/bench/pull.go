package main

// The requests of a pull. They are counted, not timed: registries count them too.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	imagespecs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// pullMB is the size of the image that is pulled.
const pullMB = 2

// counter serves a layout as the repository x, and counts.
type counter struct {
	layout    string
	documents map[string]v1.Descriptor // by tag and by digest
	get, head atomic.Int64
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		c.head.Add(1)
	} else {
		c.get.Add(1)
	}
	if r.URL.Path == "/v2/" {
		return
	}
	kind, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/x/"), "/")
	sum := digest.Digest(id)
	if d, found := c.documents[id]; found && kind == "manifests" {
		sum = d.Digest
		w.Header().Set("Content-Type", d.MediaType)
		w.Header().Set("Docker-Content-Digest", string(sum))
	}
	if sum.Validate() != nil {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, blobPath(c.layout, sum))
}

// take gives what was counted since the last call.
func (c *counter) take() (get, head int64) { return c.get.Swap(0), c.head.Swap(0) }

// newCounter makes an image of imageLayers layers, as the tag image and, as the only
// one of an index, as the tag index.
func newCounter(dir string) (*counter, error) {
	if _, err := makeImage(dir, pullMB); err != nil {
		return nil, err
	}
	c := &counter{layout: filepath.Join(dir, "gzip"), documents: map[string]v1.Descriptor{}}
	var top v1.Index
	if err := readJSON(filepath.Join(c.layout, v1.ImageIndexFile), &top); err != nil {
		return nil, err
	}
	image := top.Manifests[0]
	image.Annotations = nil
	image.Platform = &v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	index, err := writeJSONBlob(c.layout, v1.MediaTypeImageIndex, v1.Index{
		Versioned: imagespecs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{image},
	})
	if err != nil {
		return nil, err
	}
	for tag, d := range map[string]v1.Descriptor{"image": image, "index": index} {
		c.documents[tag], c.documents[string(d.Digest)] = d, d
	}
	return c, nil
}

// benchPull pulls by tag and by digest, into a new store and again.
func benchPull(o options, dir string, out io.Writer) (_ map[string][]float64, err error) {
	c, err := newCounter(filepath.Join(dir, "pull"))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: c}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	samples := map[string][]float64{}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "\nrequests of a pull, %d layers\tGET\tHEAD\tdocuments and layers that it wants\n", imageLayers)
	for _, r := range o.runcells() {
		for _, p := range pulls {
			name := ":" + p.tag
			if p.digest {
				name = "@" + string(c.documents[p.tag].Digest)
			}
			if err := pull(r.path, filepath.Join(dir, "store-"+p.tag+stateName.Replace(r.mark)), l.Addr().String()+"/x"+name); err != nil {
				return nil, err
			}
			get, head := c.take()
			samples[p.name+r.mark+"/GET"], samples[p.name+r.mark+"/HEAD"] = []float64{float64(get)}, []float64{float64(head)}
			_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", p.name+r.mark, get, head, p.least)
		}
	}
	return samples, t.Flush()
}

// pulls are what is done with one store after the other, and how many documents
// and layers have to be fetched.
var pulls = []struct {
	name, tag string
	digest    bool
	least     int
}{
	{"pull the image, new", "image", false, imageLayers + 2},
	{"pull the image, again", "image", false, 0},
	{"pull the image, again, by digest", "image", true, 0},
	{"pull the index, new", "index", false, imageLayers + 3},
	{"pull the index, again", "index", false, 0},
	{"pull the index, again, by digest", "index", true, 0},
}

func pull(runcell, store, name string) error {
	empty := store + ".auth"
	if err := os.WriteFile(empty, []byte("{}"), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(runcell+"-image", "image", "pull", "-q", "--authfile", empty, "--store", store, name)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pull: %w: %s", err, text)
	}
	return nil
}
