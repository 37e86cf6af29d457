// Registries that behave, break and lie. That of the test is as small as a
// registry can be; the interoperability tests run a real one.

package image

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// fakeRegistry serves a layout as the repository x, with its only image as
// the tag 1.
type fakeRegistry struct {
	*httptest.Server
	layout string
	root   v1.Descriptor
	types  map[digest.Digest]string

	mu       sync.Mutex
	requests []string // method, path and range
	// cut, if not nil, gives how many bytes of a blob are sent before the
	// connection is lost; -1 is all.
	cut func(path string, n int) int
	// before may answer in the registry's place.
	before func(w http.ResponseWriter, r *http.Request) bool
	// noRange ignores the header Range.
	noRange bool
}

func newRegistry(tb testing.TB, layers ...[]byte) *fakeRegistry {
	tb.Helper()
	l := newLayout(tb)
	return serve(tb, l, l.image(v1.Image{}, layers...))
}

func serve(tb testing.TB, l *layoutBuilder, root v1.Descriptor) *fakeRegistry {
	tb.Helper()
	f := &fakeRegistry{layout: l.dir, root: root, types: map[digest.Digest]string{root.Digest: root.MediaType}}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	old := firstBackoff
	firstBackoff = time.Millisecond
	tb.Cleanup(func() { firstBackoff = old })
	return f
}

// name is the image's name there.
func (f *fakeRegistry) name() string { return strings.TrimPrefix(f.URL, "http://") + "/x:1" }

func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	n := len(f.requests)
	f.mu.Unlock()
	if f.before != nil && f.before(w, r) {
		return
	}
	what, found := strings.CutPrefix(r.URL.Path, "/v2/x/")
	kind, id, _ := strings.Cut(what, "/")
	if id == "1" {
		id = string(f.root.Digest)
	}
	d := digest.Digest(id)
	data, err := os.ReadFile(filepath.Join(f.layout, "blobs", strings.Replace(id, ":", "/", 1)))
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
	if f.noRange {
		r.Header.Del("Range")
	}
	if f.cut != nil && kind == "blobs" {
		if most := f.cut(id, n); most >= 0 {
			w = &cutWriter{w, most}
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

// noise does not compress.
func noise(n int) string {
	var b strings.Builder
	for d := digest.FromString("noise"); b.Len() < n; d = digest.FromString(string(d)) {
		b.WriteString(d.Encoded())
	}
	return b.String()[:n]
}

func pull(tb testing.TB, s *Store, f *fakeRegistry) (list []Transfer, err error) {
	tb.Helper()
	tb.Setenv("REGISTRY_AUTH_FILE", noAuth(tb))
	_, err = Pull(tb.Context(), s, f.name(), RegistryOptions{}, CopyOptions{Progress: func(t Transfer) {
		if t.Ended || t.Retry != nil {
			list = append(list, t)
		}
	}})
	return list, err
}

func noAuth(tb testing.TB) string { return authFileOf(tb, "{}") }

func authFileOf(tb testing.TB, content string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "auth.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// noTrace demands that a failed pull left nothing that looks like an image
// or a blob.
func noTrace(tb testing.TB, s *Store) {
	tb.Helper()
	if names := storeNames(tb, s); len(names) != 0 {
		tb.Errorf("the store has %q", names)
	}
	blobs, err := s.blobs()
	if err != nil {
		tb.Fatal(err)
	}
	for _, b := range blobs {
		data, _ := os.ReadFile(filepath.Join(s.Path(), b.name))
		if b.digest.Algorithm().FromBytes(data) != b.digest {
			tb.Errorf("%s is not what its name says", b.name)
		}
	}
}

func TestPull(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f", body: "x"}), tarOf(t, ent{name: "g"}))
	s := newStore(t)
	list, err := pull(t, s, f)
	if err != nil || len(list) != 3 {
		t.Fatalf("pull: %v, %v; want two layers and a config", list, err)
	}
	b, _, err := unpackIn(t, f.name(), UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, b+"/rootfs", "f f 0644 1", "g f 0644 0")
	// The second time no blob is fetched.
	f.requests = nil
	if list, err = pull(t, s, f); err != nil || slices.ContainsFunc(list, func(x Transfer) bool { return !x.Present }) {
		t.Errorf("pulled again: %v, %v; want everything there", list, err)
	}
	// By digest, under that name.
	name := strings.Replace(f.name(), ":1", "@"+string(f.root.Digest), 1)
	if _, err := Pull(t.Context(), s, name, RegistryOptions{}, CopyOptions{}); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Find(name, HostPlatform()); err != nil {
		t.Error(err)
	}
}

// A lost connection is taken up again with a range, as often as it takes,
// or from the beginning if the registry knows none.
func TestPullResumes(t *testing.T) {
	for _, noRange := range []bool{false, true} {
		t.Run(fmt.Sprint("noRange=", noRange), func(t *testing.T) {
			f := newRegistry(t, tarOf(t, ent{name: "f", body: noise(2 << 20)}))
			f.noRange = noRange
			big := bigLayer(t, f)
			steps := 0
			f.cut = func(path string, _ int) int {
				if path != string(big.Digest) || steps == 8 {
					return -1
				}
				steps++
				if noRange {
					return steps * 100_000
				}
				return 100_000
			}
			s := newStore(t)
			list, err := pull(t, s, f)
			if err != nil {
				t.Fatal(err)
			}
			retries := 0
			for _, x := range list {
				if x.Retry != nil {
					retries++
				}
			}
			if retries != 8 {
				t.Errorf("%d new attempts; want 8", retries)
			}
			want := "GET /v2/x/blobs/" + string(big.Digest) + " bytes="
			if !slices.ContainsFunc(f.requests, func(r string) bool { return strings.HasPrefix(r, want) && !strings.HasSuffix(r, "=0-") }) {
				t.Errorf("requests are %q; want a range of the layer", f.requests)
			}
			if v, err := s.Verify(t.Context(), "", VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
				t.Errorf("verify: %+v, %v", v, err)
			}
		})
	}
}

func bigLayer(tb testing.TB, f *fakeRegistry) v1.Descriptor {
	tb.Helper()
	l, _, err := Open(Reference{LayoutDir, f.layout, ""}, Limits{})
	if err == nil {
		defer l.Close()
		var next []v1.Descriptor
		if next, err = l.children(f.root); err == nil {
			return next[1]
		}
	}
	// The layout has no index.json: read the manifest as it lies there.
	data, e := os.ReadFile(filepath.Join(f.layout, blobName(f.root.Digest)))
	if e != nil {
		tb.Fatal(err, e)
	}
	next, e := childrenOf(f.root, data)
	if e != nil {
		tb.Fatal(e)
	}
	return next[1]
}

// A registry that never gets further makes the pull fail, cleanly, and the
// next pull goes on from there.
func TestPullFailsAndGoesOn(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f", body: noise(1 << 20)}))
	big := bigLayer(t, f)
	dead := false
	f.cut = func(path string, _ int) int {
		switch {
		case path != string(big.Digest):
			return -1
		case dead:
			return 0
		}
		dead = true
		return 300_000
	}
	s := newStore(t)
	if _, err := pull(t, s, f); err == nil || !strings.Contains(err.Error(), string(big.Digest)) {
		t.Fatalf("error is %v; want the layer's", err)
	}
	noTrace(t, s)
	f.cut, f.requests = nil, nil
	list, err := pull(t, s, f)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(x Transfer) bool { return x.Blob.Digest == big.Digest && x.Resumed > 200_000 }) {
		t.Errorf("transfers are %+v; want the layer resumed", list)
	}
	if _, _, err := unpackIn(t, f.name(), UnpackOptions{Store: s.Path()}); err != nil {
		t.Error(err)
	}
}

// What an earlier attempt left is damaged: it is fetched anew.
func TestPullDamagedPart(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f", body: noise(1 << 18)}))
	big := bigLayer(t, f)
	for _, size := range []int64{1000, big.Size, big.Size + 1} {
		s := newStore(t)
		part := filepath.Join(s.Path(), ingestDir, "sha256-"+big.Digest.Encoded())
		if err := os.WriteFile(part, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := pull(t, s, f); err != nil {
			t.Errorf("a part of %d zeros: %v", size, err)
		}
		if left, _ := s.leftovers(0); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}

// A part that is no file, or leads elsewhere, is not written to.
func TestPullPartIsLink(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f"}))
	big := bigLayer(t, f)
	s := newStore(t)
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("canary"), 0o600)
	if err := os.Symlink(victim, filepath.Join(s.Path(), ingestDir, "sha256-"+big.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	_, err := pull(t, s, f)
	if data, _ := os.ReadFile(victim); string(data) != "canary" || err == nil {
		t.Errorf("error %v, the file holds %q", err, data)
	}
}

// Two pulls of the same image at once fetch each blob once.
func TestPullTwice(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f", body: noise(1 << 20)}))
	dir := newStore(t).Path()
	t.Setenv("REGISTRY_AUTH_FILE", noAuth(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := OpenStore(t.Context(), dir, true)
			if err == nil {
				_, err = Pull(t.Context(), s, f.name(), RegistryOptions{}, CopyOptions{})
				err = errors.Join(err, s.Close())
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	n := 0
	for _, r := range f.requests {
		if strings.Contains(r, "/blobs/"+string(bigLayer(t, f).Digest)) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the layer was fetched %d times", n)
	}
}

// An interrupt ends a pull at once.
func TestPullInterrupted(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f"}))
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			cancel()
			<-r.Context().Done()
		}
		return false
	}
	s := newStore(t)
	t.Setenv("REGISTRY_AUTH_FILE", noAuth(t))
	if _, err := Pull(ctx, s, f.name(), RegistryOptions{}, CopyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	noTrace(t, s)
}

// A registry that falls silent is taken up again.
func TestPullStalled(t *testing.T) {
	old := stallTimeout
	stallTimeout = 50 * time.Millisecond
	defer func() { stallTimeout = old }()
	f := newRegistry(t, tarOf(t, ent{name: "f", body: noise(1 << 20)}))
	big := bigLayer(t, f)
	var once sync.Once
	f.before = func(w http.ResponseWriter, r *http.Request) (done bool) {
		if strings.HasSuffix(r.URL.Path, string(big.Digest)) {
			once.Do(func() {
				w.Header().Set("Content-Length", strconv.FormatInt(big.Size, 10))
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				done = true
			})
		}
		return done
	}
	list, err := pull(t, newStore(t), f)
	if err != nil || !slices.ContainsFunc(list, func(x Transfer) bool { return errors.Is(x.Retry, errStalled) }) {
		t.Errorf("transfers are %+v, %v; want one that stalled", list, err)
	}
}

// A registry that lies is refused, and the store has nothing of it.
func TestRegistryAttacks(t *testing.T) {
	layer := tarOf(t, ent{name: "f", body: "x"})
	reply := func(header map[string]string, body string) func(*fakeRegistry, http.ResponseWriter, *http.Request) bool {
		return func(_ *fakeRegistry, w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			for k, v := range header {
				w.Header().Set(k, v)
			}
			fmt.Fprint(w, body)
			return true
		}
	}
	onBlobs := func(f func(w http.ResponseWriter, r *http.Request)) func(*fakeRegistry, http.ResponseWriter, *http.Request) bool {
		return func(_ *fakeRegistry, w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/blobs/") {
				f(w, r)
				return true
			}
			return false
		}
	}
	manifest := map[string]string{"Content-Type": v1.MediaTypeImageManifest}
	for name, c := range map[string]struct {
		before func(*fakeRegistry, http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"no manifest at all":                 {reply(manifest, "<html>"), "invalid character"},
		"no type":                            {reply(map[string]string{"Content-Type": ""}, "{}"), "Content-Type"},
		"a type that is no image":            {reply(map[string]string{"Content-Type": "text/html"}, "{}"), "neither an image"},
		"schema 1":                           {reply(map[string]string{"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}, "{}"), "neither an image"},
		"CVE-2021-41190: both kinds":         {reply(manifest, `{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`), "two kinds"},
		"CVE-2021-41190: another kind":       {reply(manifest, `{"schemaVersion":2,"manifests":[]}`), "no member"},
		"CVE-2021-41190: another media type": {reply(manifest, `{"schemaVersion":2,"mediaType":"`+v1.MediaTypeImageIndex+`","config":{},"layers":[]}`), "its descriptor says"},
		"CVE-2024-3727: a digest of a layer": {reply(manifest, `{"schemaVersion":2,"config":{"mediaType":"`+v1.MediaTypeImageConfig+`","digest":"sha256:../../x","size":2},"layers":[]}`), "malformed digest"},
		"a malformed digest in the header":   {reply(map[string]string{"Content-Type": v1.MediaTypeImageManifest, "Docker-Content-Digest": "sha256:../x"}, `{}`), "malformed digest"},
		"another digest in the header":       {reply(map[string]string{"Content-Type": v1.MediaTypeImageManifest, "Docker-Content-Digest": string(digest.FromString("y"))}, `{}`), "its digest is"},
		"an endless manifest":                {reply(manifest, strings.Repeat(" ", maxJSON+10)), "more than"},
		"endless redirects": {func(_ *fakeRegistry, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}, "redirects"},
		"a blob that is longer": {onBlobs(func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush() // without Content-Length
			w.Write(make([]byte, 1<<20))
		}), "longer than"},
		"a blob of another length": {onBlobs(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) }), "the descriptor leaves"},
		"a blob that is missing":   {onBlobs(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }), "404"},
		"a blob with other content": {func(f *fakeRegistry, w http.ResponseWriter, r *http.Request) bool {
			_, id, found := strings.Cut(r.URL.Path, "/blobs/")
			if fi, err := os.Stat(filepath.Join(f.layout, "blobs", strings.Replace(id, ":", "/", 1))); found && err == nil {
				w.Write(make([]byte, fi.Size()))
				return true
			}
			return false
		}, "its digest is"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newRegistry(t, layer)
			f.before = func(w http.ResponseWriter, r *http.Request) bool { return c.before(f, w, r) }
			s := newStore(t)
			_, err := pull(t, s, f)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			noTrace(t, s)
		})
	}
}

// Encrypted connections stay so.
func TestTLS(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f"}))
	tls := httptest.NewTLSServer(f)
	defer tls.Close()
	t.Setenv("REGISTRY_AUTH_FILE", noAuth(t))
	plain := false
	name := strings.TrimPrefix(tls.URL, "https://") + "/x:1"
	if _, err := Pull(t.Context(), newStore(t), name, RegistryOptions{PlainHTTP: &plain}, CopyOptions{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	if _, err := Pull(t.Context(), newStore(t), f.name(), RegistryOptions{PlainHTTP: &plain}, CopyOptions{}); err == nil || !strings.Contains(err.Error(), "--plain-http") {
		t.Errorf("plain HTTP where TLS is wanted: %v", err)
	}
	via, _ := http.NewRequest(http.MethodGet, "https://example.com/a", nil)
	to, _ := http.NewRequest(http.MethodGet, "http://example.com/a", nil)
	if err := checkRedirect(to, []*http.Request{via}); err == nil {
		t.Error("a redirect from https to http was followed")
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:1": true, "[::1]:5000": true, "127.1.2.3": true,
		"localhost.example.com": false, "10.0.0.1": false, "127.0.0.1.example.com:80": false, "docker.io": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %v", host, got)
		}
	}
}

func TestCredentials(t *testing.T) {
	f := newRegistry(t, tarOf(t, ent{name: "f"}))
	host := strings.TrimPrefix(f.URL, "http://")
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:se:cret"))
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == want {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	auth := func(user string) string {
		return `{"auth":"` + base64.StdEncoding.EncodeToString([]byte(user)) + `"}`
	}
	for name, c := range map[string]struct{ file, want string }{
		"host":             {`{"auths":{"` + host + `":` + auth("me:se:cret") + `}}`, ""},
		"repository":       {`{"auths":{"` + host + `":` + auth("a:b") + `,"` + host + `/x":` + auth("me:se:cret") + `}}`, ""},
		"old docker":       {`{"auths":{"http://` + host + `/v1/":` + auth("me:se:cret") + `}}`, ""},
		"wrong":            {`{"auths":{"` + host + `":` + auth("me:wrong") + `}}`, "401"},
		"another host's":   {`{"auths":{"example.com":` + auth("me:se:cret") + `}}`, "there are no credentials for it in"},
		"nothing":          {``, "there are no credentials for it in"},
		"a helper":         {`{"credHelpers":{"` + host + `":"pass"}}`, "docker-credential-pass"},
		"a helper for all": {`{"credsStore":"desktop"}`, "docker-credential-desktop"},
		"no JSON":          {`{"auths":se:cret}`, "not JSON"},
		"no base64":        {`{"auths":{"` + host + `":{"auth":"%%"}}}`, "not base64"},
		"no password":      {`{"auths":{"` + host + `":` + auth("me") + `}}`, "not user:password"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			_, err := Pull(t.Context(), s, f.name(), RegistryOptions{AuthFile: authFileOf(t, c.file)}, CopyOptions{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "se:cret") || strings.Contains(err.Error(), "wrong") && c.want != "401") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	if _, err := Pull(t.Context(), newStore(t), f.name(), RegistryOptions{AuthFile: "/nonexistent/auth.json"}, CopyOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing --authfile: %v", err)
	}
}

// Credentials are looked for where podman and docker keep them, in podman's
// order.
func TestAuthFiles(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"HOME": dir + "/home", "XDG_RUNTIME_DIR": dir + "/run", "DOCKER_CONFIG": dir + "/docker"}
	getenv := func(k string) string { return env[k] }
	n := Name{Registry: "docker.io", Repository: "library/x", Tag: "1"}
	write := func(path, user, key string) {
		os.MkdirAll(filepath.Dir(dir+path), 0o755)
		os.WriteFile(dir+path, []byte(`{"auths":{"`+key+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte(user+":p"))+`"}}}`), 0o600)
	}
	for _, c := range []struct{ path, key, user string }{
		{"/docker/config.json", "https://index.docker.io/v1/", "docker"},
		{"/home/.config/containers/auth.json", "docker.io/library", "config"},
		{"/run/containers/auth.json", "docker.io", "run"},
	} {
		write(c.path, c.user, c.key)
		l, err := findLogin(n, "", getenv)
		if err != nil || l.Username != c.user || l.file != dir+c.path {
			t.Errorf("with %s: %+v, %v; want %s", c.path, l, err, c.user)
		}
	}
}

// FuzzAuth: whatever the file says, nobody else's credentials come out of it.
func FuzzAuth(f *testing.F) {
	for _, s := range []string{
		`{"auths":{"quay.io":{"auth":"YTpi"}}}`, `{"auths":{"quay.io/x/y":{"identitytoken":"t"}},"credsStore":"x"}`, `{"auths":{"https://quay.io/v1/":{"auth":"YQ=="}}}`, `{`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseAuth(data)
		if err != nil {
			return
		}
		l := &login{}
		found, err := c.find(Name{Registry: "quay.io", Repository: "x/y", Tag: "1"}, l)
		if err != nil || !found {
			return
		}
		for key := range c.Auths {
			if k := authKey(key); k == "quay.io" || k == "quay.io/x" || k == "quay.io/x/y" {
				return
			}
		}
		t.Fatalf("%q has credentials %+v for quay.io", data, l.Credential)
	})
}
