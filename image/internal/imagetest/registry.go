package imagetest

// A registry as small as one can be, that behaves, breaks and lies.

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// Registry serves a layout as the repository x, with its only image as
// the tag 1. It takes what is pushed, as a registry without referrers does.
type Registry struct {
	*httptest.Server
	Layout string
	Root   v1.Descriptor
	Config string // the digest of its config, if it is a manifest

	mu       sync.Mutex
	types    map[digest.Digest]string
	Tags     map[string]digest.Digest
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

// NewTLSRegistry is NewRegistry over TLS, with a certificate that nobody knows.
func NewTLSRegistry(tb testing.TB, layers ...[]byte) *Registry {
	tb.Helper()
	f := NewRegistry(tb, layers...)
	f.Server = httptest.NewTLSServer(f)
	tb.Cleanup(f.Close)
	return f
}

// Serve serves the image root of the layout until the test ends. Until then,
// transfers wait a millisecond before they are taken up again.
func Serve(tb testing.TB, l *Layout, root v1.Descriptor) *Registry {
	tb.Helper()
	f := &Registry{
		Layout: l.Dir, Root: root, types: map[digest.Digest]string{root.Digest: root.MediaType},
		Tags: map[string]digest.Digest{"1": root.Digest},
	}
	if data, err := os.ReadFile(filepath.Join(l.Dir, verify.BlobName(root.Digest))); err == nil {
		if next, err := manifest.Children(root, data); err == nil && manifest.IsManifest(root.MediaType) {
			f.Config = string(next[0].Digest)
		}
	}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	shortBackoff(tb)
	return f
}

// Name is the image's name there.
func (f *Registry) Name() string { return f.Repository() + ":1" }

// Repository is the name without a tag.
func (f *Registry) Repository() string {
	_, host, _ := strings.Cut(f.URL, "://")
	return host + "/x"
}

// Put adds a document under a tag.
func (f *Registry) Put(tag string, d v1.Descriptor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Tags[tag], f.types[d.Digest] = d.Digest, d.MediaType
}

// Asked takes the requests that came since the last call.
func (f *Registry) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.Requests
	f.Requests = nil
	return list
}

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
	if found && (r.Method == http.MethodPost || r.Method == http.MethodPut) {
		f.take(w, r, kind, id)
		return
	}
	f.mu.Lock()
	if sum, ok := f.Tags[id]; ok && kind == "manifests" {
		id = string(sum)
	}
	mediaType := f.types[digest.Digest(id)]
	f.mu.Unlock()
	data, err := os.ReadFile(filepath.Join(f.Layout, "blobs", strings.Replace(id, ":", "/", 1)))
	if !found || err != nil || kind != "manifests" && kind != "blobs" {
		http.NotFound(w, r)
		return
	}
	if kind == "manifests" {
		if mediaType == "" {
			mediaType = v1.MediaTypeImageManifest
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Docker-Content-Digest", id)
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

// take stores what is pushed: a blob by POST and PUT, a document by PUT.
func (f *Registry) take(w http.ResponseWriter, r *http.Request, kind, id string) {
	if r.Method == http.MethodPost {
		w.Header().Set("Location", "/v2/x/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
		return
	}
	data, err := io.ReadAll(r.Body)
	sum := digest.FromBytes(data)
	if err != nil || kind == "blobs" && r.URL.Query().Get("digest") != string(sum) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if err := os.WriteFile(filepath.Join(f.Layout, "blobs", strings.Replace(string(sum), ":", "/", 1)), data, 0o644); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if kind == "manifests" {
		f.Put(id, v1.Descriptor{Digest: sum, MediaType: r.Header.Get("Content-Type")})
	}
	w.Header().Set("Docker-Content-Digest", string(sum))
	w.WriteHeader(http.StatusCreated)
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
	first, random := backoff.First, backoff.Random
	backoff.First, backoff.Random = time.Millisecond, func() float64 { return 0.5 }
	tb.Cleanup(func() { backoff.First, backoff.Random = first, random })
}

// NoWaiting has transfers go on at once until the test ends, and adds to waits how
// long they would have waited.
func NoWaiting(tb testing.TB, waits *[]time.Duration) {
	tb.Helper()
	var mu sync.Mutex
	old := backoff.Wait
	backoff.Wait = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		*waits = append(*waits, d)
		return context.Cause(ctx)
	}
	tb.Cleanup(func() { backoff.Wait = old })
}

// FIFO is a named pipe to which nobody writes.
func FIFO(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Patience is for a test in which a registry falls silent: how long it may be
// silent, at least, here and now, where ordinary is the same without the fault.
func Patience(tb testing.TB, least time.Duration, ordinary func() error) time.Duration {
	tb.Helper()
	begun := time.Now()
	if err := ordinary(); err != nil {
		tb.Fatal(err)
	}
	return max(least, 10*time.Since(begun))
}
