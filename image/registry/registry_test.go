package registry_test

// Registries that behave, break and lie. That of the test is as small as a
// registry can be; the interoperability tests of image/transfer run a real one.

import (
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

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestPull(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"}), imagetest.Tar(t, imagetest.Entry{Name: "g"}))
	s := story.NewStore(t)
	list, err := story.Pull(t, s, f)
	if err != nil || len(list) != 3 {
		t.Fatalf("pull: %v, %v; want two layers and a config", list, err)
	}
	b, _, err := story.Unpack(t, f.Name(), bundle.UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, b+"/rootfs", "f f 0644 1", "g f 0644 0")
	// The second time no blob is fetched.
	f.Requests = nil
	if list, err = story.Pull(t, s, f); err != nil || slices.ContainsFunc(list, func(x store.Transfer) bool { return !x.Present }) {
		t.Errorf("pulled again: %v, %v; want everything there", list, err)
	}
	// By digest, under that name.
	name := strings.Replace(f.Name(), ":1", "@"+string(f.Root.Digest), 1)
	if _, err := transfer.Pull(t.Context(), s, name, registry.Options{}, transfer.CopyOptions{}); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Find(name, manifest.Want{Platform: manifest.HostPlatform()}); err != nil {
		t.Error(err)
	}
}

// A lost connection is taken up again with a range, as often as it takes,
// or from the beginning if the registry knows none.
func TestPullResumes(t *testing.T) {
	for _, noRange := range []bool{false, true} {
		t.Run(fmt.Sprint("noRange=", noRange), func(t *testing.T) {
			f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(2 << 20)}))
			f.NoRange = noRange
			big := bigLayer(t, f)
			steps := 0
			f.Cut = func(path string, _ int) int {
				if path != string(big.Digest) || steps == 8 {
					return -1
				}
				steps++
				if noRange {
					return steps * 100_000
				}
				return 100_000
			}
			s := story.NewStore(t)
			list, err := story.Pull(t, s, f)
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
			if !slices.ContainsFunc(f.Requests, func(r string) bool { return strings.HasPrefix(r, want) && !strings.HasSuffix(r, "=0-") }) {
				t.Errorf("requests are %q; want a range of the layer", f.Requests)
			}
			if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
				t.Errorf("verify: %+v, %v", v, err)
			}
		})
	}
}

// bigLayer is the first layer of what the registry serves.
func bigLayer(tb testing.TB, f *imagetest.Registry) v1.Descriptor {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(f.Layout, verify.BlobName(f.Root.Digest)))
	if err != nil {
		tb.Fatal(err)
	}
	next, err := manifest.Children(f.Root, data)
	if err != nil {
		tb.Fatal(err)
	}
	return next[1]
}

// A registry that never gets further makes the pull fail, cleanly, and the
// next pull goes on from there.
func TestPullFailsAndGoesOn(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 20)}))
	big := bigLayer(t, f)
	dead := false
	f.Cut = func(path string, _ int) int {
		switch {
		case path != string(big.Digest):
			return -1
		case dead:
			return 0
		}
		dead = true
		return 300_000
	}
	s := story.NewStore(t)
	if _, err := story.Pull(t, s, f); err == nil || !strings.Contains(err.Error(), string(big.Digest)) {
		t.Fatalf("error is %v; want the layer's", err)
	}
	story.NoTrace(t, s)
	f.Cut, f.Requests = nil, nil
	list, err := story.Pull(t, s, f)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(x store.Transfer) bool { return x.Blob.Digest == big.Digest && x.Resumed > 200_000 }) {
		t.Errorf("transfers are %+v; want the layer resumed", list)
	}
	if _, _, err := story.Unpack(t, f.Name(), bundle.UnpackOptions{Store: s.Path()}); err != nil {
		t.Error(err)
	}
}

// What an earlier attempt left is damaged: it is fetched anew.
func TestPullDamagedPart(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 18)}))
	big := bigLayer(t, f)
	for _, size := range []int64{1000, big.Size, big.Size + 1} {
		s := story.NewStore(t)
		part := filepath.Join(s.Path(), "ingest", "sha256-"+big.Digest.Encoded())
		if err := os.WriteFile(part, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := story.Pull(t, s, f); err != nil {
			t.Errorf("a part of %d zeros: %v", size, err)
		}
		if left, err := s.GC(t.Context(), true); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

// A part that is no file, or leads elsewhere, is not written to.
func TestPullPartIsLink(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	big := bigLayer(t, f)
	s := story.NewStore(t)
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("canary"), 0o600)
	if err := os.Symlink(victim, filepath.Join(s.Path(), "ingest", "sha256-"+big.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	_, err := story.Pull(t, s, f)
	if data, _ := os.ReadFile(victim); string(data) != "canary" || err == nil {
		t.Errorf("error %v, the file holds %q", err, data)
	}
}

// Two pulls of the same image at once fetch each blob once.
func TestPullTwice(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 20)}))
	dir := story.NewStore(t).Path()
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := store.Open(t.Context(), dir, true)
			if err == nil {
				_, err = transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{})
				err = errors.Join(err, s.Close())
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	n := 0
	for _, r := range f.Requests {
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
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	ctx, cancel := context.WithCancel(t.Context())
	f.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			cancel()
			<-r.Context().Done()
		}
		return false
	}
	s := story.NewStore(t)
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	if _, err := transfer.Pull(ctx, s, f.Name(), registry.Options{}, transfer.CopyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	story.NoTrace(t, s)
}

// A registry that falls silent is taken up again.
func TestPullStalled(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 20)}))
	big := bigLayer(t, f)
	stall := patience(t, f, 50*time.Millisecond)
	var once sync.Once
	f.Before = func(w http.ResponseWriter, r *http.Request) (done bool) {
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
	list, err := story.PullWith(t, story.NewStore(t), f, registry.Options{Stall: stall})
	if err != nil || !slices.ContainsFunc(list, func(x store.Transfer) bool { return errors.Is(x.Retry, registry.ErrStalled) }) {
		t.Errorf("transfers are %+v, %v; want one that stalled", list, err)
	}
}

// A registry that lies is refused, and the store has nothing of it.
func TestRegistryAttacks(t *testing.T) {
	layer := imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"})
	reply := func(header map[string]string, body string) func(*imagetest.Registry, http.ResponseWriter, *http.Request) bool {
		return func(_ *imagetest.Registry, w http.ResponseWriter, r *http.Request) bool {
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
	onBlobs := func(f func(w http.ResponseWriter, r *http.Request)) func(*imagetest.Registry, http.ResponseWriter, *http.Request) bool {
		return func(_ *imagetest.Registry, w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/blobs/") {
				f(w, r)
				return true
			}
			return false
		}
	}
	manifest := map[string]string{"Content-Type": v1.MediaTypeImageManifest}
	for name, c := range map[string]struct {
		before func(*imagetest.Registry, http.ResponseWriter, *http.Request) bool
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
		"an endless manifest":                {reply(manifest, strings.Repeat(" ", image.MaxJSON+10)), "more than"},
		"endless redirects": {func(_ *imagetest.Registry, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}, "redirects"},
		"a blob that is longer": {onBlobs(func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush() // without Content-Length
			w.Write(make([]byte, 1<<20))
		}), "longer than"},
		"a blob of another length": {onBlobs(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) }), "the descriptor says"},
		"a blob that is missing":   {onBlobs(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }), "404"},
		"a blob with other content": {func(f *imagetest.Registry, w http.ResponseWriter, r *http.Request) bool {
			_, id, found := strings.Cut(r.URL.Path, "/blobs/")
			if fi, err := os.Stat(filepath.Join(f.Layout, "blobs", strings.Replace(id, ":", "/", 1))); found && err == nil {
				w.Write(make([]byte, fi.Size()))
				return true
			}
			return false
		}, "its digest is"},
	} {
		t.Run(name, func(t *testing.T) {
			f := imagetest.NewRegistry(t, layer)
			f.Before = func(w http.ResponseWriter, r *http.Request) bool { return c.before(f, w, r) }
			s := story.NewStore(t)
			_, err := story.Pull(t, s, f)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			story.NoTrace(t, s)
		})
	}
}

// Encrypted connections stay so.
func TestTLS(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	tls := httptest.NewTLSServer(f)
	defer tls.Close()
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	plain := false
	name := strings.TrimPrefix(tls.URL, "https://") + "/x:1"
	if _, err := transfer.Pull(t.Context(), story.NewStore(t), name, registry.Options{PlainHTTP: &plain}, transfer.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	if _, err := transfer.Pull(t.Context(), story.NewStore(t), f.Name(), registry.Options{PlainHTTP: &plain}, transfer.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "--plain-http") {
		t.Errorf("plain HTTP where TLS is wanted: %v", err)
	}
	via, _ := http.NewRequest(http.MethodGet, "https://example.com/a", nil)
	to, _ := http.NewRequest(http.MethodGet, "http://example.com/a", nil)
	if err := registry.CheckRedirect(to, []*http.Request{via}); err == nil {
		t.Error("a redirect from https to http was followed")
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:1": true, "[::1]:5000": true, "127.1.2.3": true,
		"LOCALHOST:5000": true, "Localhost": true, "localhost.": true, "localhost.:80": true, "[::1]": true, "[::ffff:127.0.0.1]:1": true,
		"localhost..": false, ".": false, "": false, "127.1": false, "[::2]:1": false, "localhost.localdomain": false,
		"localhost.example.com": false, "10.0.0.1": false, "127.0.0.1.example.com:80": false, "docker.io": false,
	} {
		if got := registry.IsLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %v", host, got)
		}
	}
}

func TestCredentials(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	host := strings.TrimPrefix(f.URL, "http://")
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:se:cret"))
	f.Before = func(w http.ResponseWriter, r *http.Request) bool {
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
			s := story.NewStore(t)
			_, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{AuthFile: imagetest.AuthFile(t, c.file)}, transfer.CopyOptions{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error is %v; want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "se:cret") || strings.Contains(err.Error(), "wrong") && c.want != "401") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	if _, err := transfer.Pull(t.Context(), story.NewStore(t), f.Name(), registry.Options{AuthFile: "/nonexistent/auth.json"}, transfer.CopyOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing --authfile: %v", err)
	}
}

// Credentials are for one host: another one to which the registry sends us, for a
// blob, for the next page, for an upload, gets none, however it asks.
func TestCredentialsStayAtTheirHost(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("me:se:cret"))
	var mu sync.Mutex
	var asked, leaked []string
	for name, challenge := range map[string]string{"basic": `Basic realm="x"`, "bearer": `Bearer realm="SELF/token",service="x"`, "silent": ""} {
		// 127.0.0.1 and another port: another host, as the credentials have it.
		var other *httptest.Server
		other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, name)
			if r.Header.Get("Authorization") != "" || r.URL.User != nil {
				leaked = append(leaked, name+" "+r.Method+" "+r.URL.Path)
			}
			if challenge != "" {
				w.Header().Set("WWW-Authenticate", strings.ReplaceAll(challenge, "SELF", other.URL))
			}
			w.WriteHeader(http.StatusUnauthorized)
		}))
		t.Cleanup(other.Close)
		f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: name}))
		f.Before = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.Header.Get("Authorization") != "Basic "+secret:
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			case r.Method == http.MethodPost:
				w.Header().Set("Location", other.URL+"/upload")
				w.WriteHeader(http.StatusAccepted)
			case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/"):
				http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
			default:
				return false
			}
			return true
		}
		file := imagetest.AuthFile(t, `{"auths":{"`+strings.TrimPrefix(f.URL, "http://")+`":{"auth":"`+secret+`"}}}`)
		s := story.NewStore(t)
		if _, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{AuthFile: file}, transfer.CopyOptions{}); err == nil {
			t.Errorf("%s: the pull from a host that refuses succeeded", name)
		}
		story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "g"}))
		_, err := transfer.Push(t.Context(), s, "x", f.Repository()+":2", transfer.PushOptions{Registry: registry.Options{AuthFile: file}})
		if err == nil {
			t.Errorf("%s: the push to another host succeeded", name)
		}
	}
	if len(leaked) > 0 || !slices.Contains(asked, "basic") || !slices.Contains(asked, "bearer") || !slices.Contains(asked, "silent") {
		t.Errorf("asked: %v; with credentials: %v; want each asked, and none with credentials", asked, leaked)
	}
}

// Whoever asks for credentials gets them for the registry of the name alone: not
// for another port of its host, nor for one whose name begins or ends like its own.
func TestWhoGetsCredentials(t *testing.T) {
	file := imagetest.AuthFile(t, `{"auths":{"registry.example:5000":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("me:secret"))+`"}}}`)
	name, _, err := reference.ParseName("registry.example:5000/x:1")
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(name, registry.Options{AuthFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for host, want := range map[string]string{
		"registry.example:5000": "secret", "registry.example": "", "registry.example:443": "", "evil.example:5000": "", "": "",
		"evil.registry.example:5000": "", "registry.example:5000.evil.example": "", "registry.example:50000": "",
	} {
		if got := registry.PasswordFor(t.Context(), r, host); got != want {
			t.Errorf("the password for %q is %q; want %q", host, got, want)
		}
	}
}
