package registry_test

// What a registry may do for a while, and what a line may do for ever.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// kinds are the requests of a pull, by what is in their path, and by their method.
var pullKinds = map[string]func(f *imagetest.Registry, r *http.Request) bool{
	"tag": func(_ *imagetest.Registry, r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/manifests/1")
	},
	"config": func(f *imagetest.Registry, r *http.Request) bool { return strings.Contains(r.URL.Path, f.Config) },
	"layer": func(f *imagetest.Registry, r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/blobs/") && !strings.Contains(r.URL.Path, f.Config)
	},
	"token": func(_ *imagetest.Registry, r *http.Request) bool { return r.URL.Path == "/token" },
}

// withToken makes a registry want a token, which it gives to everybody.
func withToken(f *imagetest.Registry, before func(w http.ResponseWriter, r *http.Request) bool) {
	f.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if before(w, r) {
			return true
		}
		switch {
		case r.URL.Path == "/token":
			fmt.Fprint(w, `{"token":"t"}`)
			return true
		case r.Header.Get("Authorization") != "Bearer t":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+f.URL+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
}

// A refusal for the moment is no refusal, whatever was asked for.
func TestRefusedForNow(t *testing.T) {
	for kind, is := range pullKinds {
		for _, status := range []int{408, 429, 500, 502, 503, 504} {
			t.Run(fmt.Sprint(kind, " ", status), func(t *testing.T) {
				f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
				left := backoff.Attempts - 1
				withToken(f, func(w http.ResponseWriter, r *http.Request) bool {
					if !is(f, r) || left == 0 {
						return false
					}
					left--
					w.WriteHeader(status)
					return true
				})
				var told []error
				_, err := story.PullWith(t, story.NewStore(t), f, registry.Options{Tell: func(err error) { told = append(told, err) }})
				if err != nil || len(told) != backoff.Attempts-1 {
					t.Errorf("pull: %v, told of %v; want it to be tried again, and to be told", err, told)
				}
			})
		}
	}
	// One that stays is asked for that often, and no more.
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	f.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	if _, err := story.Pull(t, story.NewStore(t), f); err == nil || !strings.Contains(err.Error(), "503") || len(f.Requests) != 1+backoff.Attempts {
		t.Errorf("a registry that is down: %v after %q", err, f.Requests)
	}
}

// What a registry asks for is waited for, up to a limit, and it is said.
func TestRetryAfter(t *testing.T) {
	now := time.Now().UTC()
	for name, c := range map[string]struct {
		header, date string
		want         time.Duration // 0: the pull fails
	}{
		"seconds":          {"7", "", 7 * time.Second},
		"a date":           {now.Add(90 * time.Second).Format(http.TimeFormat), now.Format(http.TimeFormat), 90 * time.Second},
		"another clock":    {now.Add(time.Hour + time.Minute).Format(http.TimeFormat), now.Add(time.Hour).Format(http.TimeFormat), time.Minute},
		"a date gone by":   {now.Add(-time.Hour).Format(http.TimeFormat), "", time.Millisecond},
		"no time at all":   {"soon", "", time.Millisecond},
		"below nothing":    {"-5", "", time.Millisecond},
		"too long":         {"3600", "", 0},
		"beyond a number":  {"99999999999999999999999", "", 0},
		"a date too late":  {now.Add(1000 * time.Hour).Format(http.TimeFormat), "", 0},
		"just long enough": {"120", "", 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
			var waits []time.Duration
			imagetest.NoWaiting(t, &waits)
			once := false
			f.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if once || !strings.Contains(r.URL.Path, "/manifests/") {
					return false
				}
				once = true
				w.Header().Set("Retry-After", c.header)
				if c.date != "" {
					w.Header().Set("Date", c.date)
				}
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			_, err := story.Pull(t, story.NewStore(t), f)
			if c.want == 0 {
				if err == nil || !strings.Contains(err.Error(), "429 Too Many Requests: it asks to come back in") || len(waits) > 0 {
					t.Errorf("error is %v after waits of %v", err, waits)
				}
				return
			}
			if err != nil || len(waits) != 1 || waits[0] != c.want {
				t.Errorf("pull: %v, waited %v; want %v", err, waits, c.want)
			}
		})
	}
}

// patience is how long f may be silent, at least, for somebody who pulls.
func patience(t *testing.T, f *imagetest.Registry, least time.Duration) time.Duration {
	return imagetest.Patience(t, least, func() error {
		_, err := story.Pull(t, story.NewStore(t), f)
		return err
	})
}

// A line on which nothing moves is given up, wherever that is: before the answer,
// in a manifest, in a token. The next one is better.
func TestStalls(t *testing.T) {
	for kind, is := range pullKinds {
		for _, headers := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " headers=", headers), func(t *testing.T) {
				f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
				stall := patience(t, f, 100*time.Millisecond)
				var once sync.Once
				withToken(f, func(w http.ResponseWriter, r *http.Request) (done bool) {
					if !is(f, r) {
						return false
					}
					once.Do(func() {
						if headers {
							w.Header().Set("Content-Type", f.Root.MediaType)
							w.Write([]byte("{"))
							w.(http.Flusher).Flush()
						}
						<-r.Context().Done()
						done = true
					})
					return done
				})
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second+10*stall)
				defer cancel()
				t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
				if _, err := transfer.Pull(ctx, story.NewStore(t), f.Name(), registry.Options{Stall: stall}, transfer.CopyOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	// One that is always so is an error, which says it.
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	f.Before = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	if _, err := story.PullWith(t, story.NewStore(t), f, registry.Options{Stall: 20 * time.Millisecond}); !errors.Is(err, registry.ErrStalled) || !strings.Contains(err.Error(), "20ms") {
		t.Errorf("error is %v; want that it stalled, and after how long", err)
	}
}

// Every request of a push is tried again, also that with a blob, which goes from
// its beginning; and one that nobody reads does not last.
func TestPushTriedAgain(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(8 << 20)}))
	push := func(f *imagetest.Registry, stall time.Duration) (*transfer.Copied, error) {
		t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
		return transfer.Push(t.Context(), s, "x", f.Repository()+":2", transfer.PushOptions{Registry: registry.Options{Stall: stall}})
	}
	stall := imagetest.Patience(t, 500*time.Millisecond, func() error {
		_, err := push(imagetest.NewRegistry(t), time.Minute)
		return err
	})
	for name, is := range map[string]func(r *http.Request) bool{
		"what is there": func(r *http.Request) bool { return r.Method == http.MethodHead },
		"upload":        func(r *http.Request) bool { return r.Method == http.MethodPost },
		"blob": func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/")
		},
		"manifest": func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
		},
	} {
		for what, refuse := range map[string]func(w http.ResponseWriter, r *http.Request){
			"429": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(http.StatusTooManyRequests)
			},
			"503":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			"stall": func(_ http.ResponseWriter, r *http.Request) { time.Sleep(3 * stall) },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				f := imagetest.NewRegistry(t)
				f.Put("2", f.Root)
				var waits []time.Duration
				imagetest.NoWaiting(t, &waits)
				var mu sync.Mutex
				left := 1
				f.Before = func(w http.ResponseWriter, r *http.Request) bool {
					mu.Lock()
					mine := is(r) && left > 0
					if mine {
						left--
					}
					mu.Unlock()
					if mine {
						refuse(w, r)
					}
					return mine
				}
				c, err := push(f, stall)
				if err != nil || f.Tags["2"] != c.Manifest {
					t.Fatalf("push: %v, the tag is %s", err, f.Tags["2"])
				}
				if what == "429" && !slices.Contains(waits, 3*time.Second) {
					t.Errorf("waited %v; want what the registry asked for", waits)
				}
			})
		}
	}
}

// A part that is there does not keep a pull from succeeding, whatever the registry
// makes of the range: none, another one, garbage.
func TestPartAndRange(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, blob []byte){
		"416": func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) },
		"206 without a range": func(w http.ResponseWriter, blob []byte) {
			w.WriteHeader(http.StatusPartialContent)
			w.Write(blob)
		},
		"206 from the beginning": func(w http.ResponseWriter, blob []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(blob)-1, len(blob)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(blob)
		},
		"206 of another blob": func(w http.ResponseWriter, blob []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(blob), len(blob)+1))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(blob[999:])
		},
		"206 of another length": func(w http.ResponseWriter, blob []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-1999/%d", len(blob)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(blob[1000:2000])
		},
		"206 with other content": func(w http.ResponseWriter, blob []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(blob)-1, len(blob)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(make([]byte, len(blob)-1000))
		},
		"206 and silence": func(w http.ResponseWriter, blob []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(blob)-1, len(blob)))
			w.Header().Set("Content-Length", fmt.Sprint(len(blob)-1000))
			w.WriteHeader(http.StatusPartialContent)
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: imagetest.Noise(1 << 18)}))
			stall := patience(t, f, 300*time.Millisecond)
			big := bigLayer(t, f)
			blob, err := os.ReadFile(filepath.Join(f.Layout, "blobs", strings.Replace(string(big.Digest), ":", "/", 1)))
			if err != nil {
				t.Fatal(err)
			}
			first := true
			f.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Range") == "" || !first && name == "206 and silence" {
					return false
				}
				first = false
				answer(w, blob)
				return true
			}
			s := story.NewStore(t)
			part := filepath.Join(s.Path(), "ingest", "sha256-"+big.Digest.Encoded())
			if err := os.WriteFile(part, blob[:1000], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := story.PullWith(t, s, f, registry.Options{Stall: stall}); err != nil {
				t.Error(err)
			}
			if v, err := s.Verify(t.Context(), "", store.VerifyOptions{All: true}); err != nil || len(v.Problems) > 0 {
				t.Errorf("verify: %+v, %v", v, err)
			}
			if left, err := s.GC(t.Context(), true); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// A registry that speaks TLS where nobody asked for it to be left out.
func TestLoopbackTLS(t *testing.T) {
	f := imagetest.NewTLSRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	if _, err := story.Pull(t, story.NewStore(t), f); err == nil || !strings.Contains(err.Error(), "--plain-http=false") {
		t.Errorf("error is %v; want a hint", err)
	}
}

// A pipe to which nobody writes does not hold a pull up, and one to which somebody
// does is as good as a file.
func TestAuthPipe(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	fifo := imagetest.FIFO(t)
	_, err := transfer.Pull(t.Context(), story.NewStore(t), f.Name(), registry.Options{AuthFile: fifo}, transfer.CopyOptions{})
	if err == nil || !strings.Contains(err.Error(), "nobody writes") {
		t.Errorf("error is %v", err)
	}
	written := imagetest.FIFO(t)
	r, err := os.OpenFile(written, os.O_RDONLY|unix.O_NONBLOCK, 0) // keeps what is written
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.WriteFile(written, []byte(`{"auths":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Pull(t.Context(), story.NewStore(t), f.Name(), registry.Options{AuthFile: written}, transfer.CopyOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := store.Open(t.Context(), fifo, true); err == nil {
		t.Error("a pipe was opened as a store")
	}
	if _, err := transfer.Import(t.Context(), story.NewStore(t), "oci:"+fifo, "x", transfer.CopyOptions{}); err == nil {
		t.Error("a pipe was opened as a layout")
	}
}

// One request a document and a blob, and none for what is here: 2 and one a layer
// for a tag, one more if the tag is an index; and then one that registries do not
// count, or none if the name has a digest.
func TestRequests(t *testing.T) {
	layers := [][]byte{imagetest.Tar(t, imagetest.Entry{Name: "a"}), imagetest.Tar(t, imagetest.Entry{Name: "b"}), imagetest.Tar(t, imagetest.Entry{Name: "c"})}
	for _, indexed := range []bool{false, true} {
		t.Run(fmt.Sprint("index=", indexed), func(t *testing.T) {
			t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
			l := imagetest.NewLayout(t)
			root := l.Image(v1.Image{}, layers...)
			want := 2 + len(layers)
			if indexed {
				root = l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{root}})
				want++
			}
			f := imagetest.Serve(t, l, root)
			s := story.NewStore(t)
			pull := func(name string) []string {
				t.Helper()
				if _, err := transfer.Pull(t.Context(), s, name, registry.Options{}, transfer.CopyOptions{}); err != nil {
					t.Fatal(err)
				}
				return f.Asked()
			}
			got := pull(f.Name())
			if distinct := slices.Compact(slices.Sorted(slices.Values(got))); len(got) != want || len(distinct) != want {
				t.Errorf("a new image: %d requests %q; want %d, each once", len(got), got, want)
			}
			if got := pull(f.Name()); len(got) != 1 || !strings.HasPrefix(got[0], "HEAD ") {
				t.Errorf("again: %q; want one HEAD", got)
			}
			byDigest := f.Repository() + "@" + string(root.Digest)
			if got := pull(byDigest); len(got) != 0 {
				t.Errorf("by digest: %q; want none", got)
			}
			// The name has a digest that the tag had.
			if _, _, err := s.Lookup(byDigest); err != nil {
				t.Errorf("lookup by digest: %v", err)
			}
			if _, _, err := s.Lookup(strings.Replace(byDigest, "/x@", "/y@", 1)); err == nil {
				t.Error("another repository's digest was found")
			}
			// The tag moves: what is new is asked for.
			next := l.Image(v1.Image{Author: "new"}, layers...)
			f.Put("1", next)
			if got := pull(f.Name()); len(got) != 3 {
				t.Errorf("a new config: %q; want a HEAD, the manifest and the config", got)
			}
		})
	}
}

// Another platform of the same index is not what is there.
func TestRequestsOtherPlatform(t *testing.T) {
	l := imagetest.Platforms(t, true, "linux/arm/v6", "linux/arm/v7")
	f := imagetest.Serve(t, l, l.Top)
	s := story.NewStore(t)
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	seen := map[string]bool{}
	for _, variant := range []string{"v6", "v7", "v6"} {
		c, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{Platform: v1.Platform{OS: "linux", Architecture: "arm", Variant: variant}})
		if err != nil {
			t.Fatal(err)
		}
		seen[variant+string(c.Manifest)] = true
	}
	if len(seen) != 2 {
		t.Errorf("manifests by variant are %v", seen)
	}
}

// One platform's image does not take an index's tag.
func TestPushReplacesIndex(t *testing.T) {
	l := imagetest.Platforms(t, true, "linux/amd64", "linux/arm64")
	f := imagetest.Serve(t, l, l.Top)
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	if _, err := transfer.Push(t.Context(), s, "x", f.Name(), transfer.PushOptions{}); err == nil || !strings.Contains(err.Error(), "--replace") || f.Tags["1"] != l.Top.Digest {
		t.Errorf("error is %v, the tag is %s; want a refusal", err, f.Tags["1"])
	}
	if _, err := transfer.Push(t.Context(), s, "x", f.Repository()+":2", transfer.PushOptions{}); err != nil {
		t.Error(err)
	}
	if c, err := transfer.Push(t.Context(), s, "x", f.Name(), transfer.PushOptions{Replace: true}); err != nil || f.Tags["1"] != c.Manifest {
		t.Errorf("with Replace: %v, the tag is %s", err, f.Tags["1"])
	}
}

// A registry that asks in several ways gets an answer to one of them, in whatever
// order they come.
func TestSeveralChallenges(t *testing.T) {
	for _, basic := range []bool{false, true} {
		for name, values := range map[string][]string{
			"several headers":   {"Negotiate", `Digest realm="x", nonce="y"`, "ONE"},
			"the other order":   {"ONE", "Negotiate"},
			"several in one":    {`Negotiate dGV4dA==, ONE, Digest realm="x"`},
			"both, basic first": {`Basic realm="x"`, "ONE"},
			"both, in one":      {`ONE, Basic realm="x"`},
		} {
			t.Run(fmt.Sprint(name, " basic=", basic), func(t *testing.T) {
				f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
				one, want := `Bearer realm="`+f.URL+`/token",service="x"`, "Bearer t"
				if basic {
					one, want = `Basic realm="x"`, "Basic YTpi"
				}
				withToken(f, func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/token" {
						return false
					}
					if r.Header.Get("Authorization") == want {
						r.Header.Set("Authorization", "Bearer t") // of withToken
						return false
					}
					for _, v := range values {
						w.Header().Add("WWW-Authenticate", strings.Replace(v, "ONE", one, 1))
					}
					w.WriteHeader(http.StatusUnauthorized)
					return true
				})
				_, host, _ := strings.Cut(f.URL, "://")
				file := imagetest.AuthFile(t, `{"auths":{"`+host+`":{"auth":"YTpi"}}}`)
				if _, err := transfer.Pull(t.Context(), story.NewStore(t), f.Name(), registry.Options{AuthFile: file}, transfer.CopyOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Who is not let in is told so at once: a password that is wrong is not tried until
// the account is locked.
func TestTokenRefused(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusOK} {
		f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
		withToken(f, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				w.WriteHeader(status)
				fmt.Fprint(w, "{}")
			}
			return r.URL.Path == "/token"
		})
		_, err := story.Pull(t, story.NewStore(t), f)
		if err == nil || status != http.StatusOK && !strings.Contains(err.Error(), "there are no credentials for it in") {
			t.Errorf("%d: %v", status, err)
		}
		if asked := f.Asked(); len(asked) != 2 {
			t.Errorf("%d: asked %q; want the token once", status, asked)
		}
	}
}
