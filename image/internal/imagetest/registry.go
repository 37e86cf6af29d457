package imagetest

// A registry as small as one can be, that behaves, breaks and lies.

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Registry serves a layout as the repository x, with its only image as
// the tag 1.
type Registry struct {
	*httptest.Server
	Layout string
	Root   v1.Descriptor
	types  map[digest.Digest]string

	mu       sync.Mutex
	Requests []string // method, path and range
	// Cut, if not nil, gives how many bytes of a blob are sent before the
	// connection is lost; -1 is all.
	Cut func(path string, n int) int
	// Before may answer in the registry's place.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// NoRange ignores the header Range.
	NoRange bool
}

// NewRegistry serves an image of these layers until the test ends.
func NewRegistry(tb testing.TB, layers ...[]byte) *Registry {
	tb.Helper()
	l := NewLayout(tb)
	return Serve(tb, l, l.Image(v1.Image{}, layers...))
}

// Serve serves the image root of the layout until the test ends. Until then,
// transfers wait a millisecond before they are taken up again.
func Serve(tb testing.TB, l *Layout, root v1.Descriptor) *Registry {
	tb.Helper()
	f := &Registry{Layout: l.Dir, Root: root, types: map[digest.Digest]string{root.Digest: root.MediaType}}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	shortBackoff(tb)
	return f
}

// Name is the image's name there.
func (f *Registry) Name() string { return strings.TrimPrefix(f.URL, "http://") + "/x:1" }

// ServeHTTP implements http.Handler.
func (f *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.Requests = append(f.Requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	n := len(f.Requests)
	f.mu.Unlock()
	if f.Before != nil && f.Before(w, r) {
		return
	}
	what, found := strings.CutPrefix(r.URL.Path, "/v2/x/")
	kind, id, _ := strings.Cut(what, "/")
	if id == "1" {
		id = string(f.Root.Digest)
	}
	d := digest.Digest(id)
	data, err := os.ReadFile(filepath.Join(f.Layout, "blobs", strings.Replace(id, ":", "/", 1)))
	if !found || err != nil {
		http.NotFound(w, r)
		return
	}
	if kind == "manifests" {
		if f.types[d] == "" {
			f.types[d] = v1.MediaTypeImageManifest
		}
		w.Header().Set("Content-Type", f.types[d])
	}
	if f.NoRange {
		r.Header.Del("Range")
	}
	if f.Cut != nil && kind == "blobs" {
		if most := f.Cut(id, n); most >= 0 {
			w = &cutWriter{ResponseWriter: w, left: most}
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// cutWriter loses the connection after some bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		c.ResponseWriter.Write(p[:c.left])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// NoAuth is an authentication file without credentials.
func NoAuth(tb testing.TB) string { return AuthFile(tb, "{}") }

// AuthFile is a file that holds content.
func AuthFile(tb testing.TB, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "auth.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// ShortBackoff makes transfers wait a millisecond before they are taken up
// again, and takes the caller's credentials away, until the test ends.
func ShortBackoff(tb testing.TB) {
	tb.Helper()
	shortBackoff(tb)
	tb.Setenv("REGISTRY_AUTH_FILE", NoAuth(tb))
}

func shortBackoff(tb testing.TB) {
	old := backoff.First
	backoff.First = time.Millisecond
	tb.Cleanup(func() { backoff.First = old })
}
