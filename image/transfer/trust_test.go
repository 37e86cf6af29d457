package transfer_test

// Who signed what: signatures in the shape that cosign gives them, made here, and
// what comes into a store and out of it when they are right, wrong or not there.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/image/transfer"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// owner is somebody with a key.
type owner struct {
	key *ecdsa.PrivateKey
	dir string // has public.pem and private.pem
}

func newOwner(t *testing.T) owner {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := owner{key, t.TempDir()}
	public, err1 := x509.MarshalPKIXPublicKey(key.Public())
	private, err2 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(o.public(), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644)
	os.WriteFile(o.private(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
	return o
}

func (o owner) public() string  { return o.dir + "/public.pem" }
func (o owner) private() string { return o.dir + "/private.pem" }

func (o owner) verifyKey(t *testing.T) *trust.Key {
	t.Helper()
	k, err := store.ReadKey(o.public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (o owner) signer(t *testing.T) *trust.Signer {
	t.Helper()
	data, err := os.ReadFile(o.private())
	if err != nil {
		t.Fatal(err)
	}
	s, err := trust.ParseSigner("private", data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// artifact is what "cosign sign" uploads for a digest.
func (o owner) artifact(t *testing.T, l *imagetest.Layout, sum digest.Digest) v1.Descriptor {
	t.Helper()
	payload := []byte(`{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":"` + string(sum) + `"},"type":"cosign container image signature"},"optional":null}`)
	hash := sha256.Sum256(payload)
	sig, err := ecdsa.SignASN1(rand.Reader, o.key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	layer := l.Blob("application/vnd.dev.cosign.simplesigning.v1+json", payload)
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)}
	config := l.Blob(v1.MediaTypeImageConfig, []byte(`{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"","rootfs":{"type":"layers","diff_ids":["`+string(layer.Digest)+`"]},"config":{}}`))
	d := l.JSON(v1.MediaTypeImageManifest, v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{layer}})
	d.ArtifactType = trust.ArtifactType
	return d
}

func writePolicy(t *testing.T, s *store.Store, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Path(), "policy"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// uses tells what happens to an image of the store when it is used.
func uses(t *testing.T, s *store.Store, name string) error {
	t.Helper()
	_, unpacked := bundle.Unpack(t.Context(), name, filepath.Join(t.TempDir(), "b"), bundle.UnpackOptions{Store: s.Path(), NoSync: true})
	_, made := bundle.Make(t.Context(), s, name, filepath.Join(t.TempDir(), "b"), bundle.MakeOptions{Rootfs: bundle.RootfsCopy, UnpackOptions: bundle.UnpackOptions{NoSync: true}})
	if (unpacked == nil) != (made == nil) {
		t.Errorf("unpack says %v, bundle says %v", unpacked, made)
	}
	return made
}

func wantRefused(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if !errors.Is(err, trust.ErrRefused) {
		t.Errorf("%s: %v; want a refusal", what, err)
	}
	for _, w := range words {
		if err != nil && !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v; want it to say %q", what, err, w)
		}
	}
}

// Wherever a registry has the signature, of the image or of its index: with it the
// image comes and runs, and only with the right one.
func TestSignedPull(t *testing.T) {
	me, other := newOwner(t), newOwner(t)
	list := func(l *imagetest.Layout, d v1.Descriptor) v1.Descriptor {
		return l.JSON(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{d}})
	}
	// places are where a registry can have what refers to a digest.
	places := map[string]func(f *imagetest.Registry, l *imagetest.Layout, sum digest.Digest, a v1.Descriptor){
		"cosign's tag": func(f *imagetest.Registry, _ *imagetest.Layout, sum digest.Digest, a v1.Descriptor) {
			f.Put("sha256-"+sum.Encoded()+".sig", a)
		},
		"the fallback's tag": func(f *imagetest.Registry, l *imagetest.Layout, sum digest.Digest, a v1.Descriptor) {
			f.Put("sha256-"+sum.Encoded(), list(l, a))
		},
		"referrers": func(f *imagetest.Registry, l *imagetest.Layout, sum digest.Digest, a v1.Descriptor) {
			f.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return false
				}
				x := v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
				if strings.HasSuffix(r.URL.Path, string(sum)) {
					x.Manifests = append(x.Manifests, a)
				}
				w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
				json.NewEncoder(w).Encode(x)
				return true
			}
		},
	}
	for place, put := range places {
		for name, c := range map[string]struct {
			index, signIndex bool
			by               owner
			of               string // another digest
			want             string // "": it is good
		}{
			"an image":               {by: me},
			"an index":               {index: true, signIndex: true, by: me},
			"an image of an index":   {index: true, by: me},
			"by somebody else":       {by: other, want: "not a signature of this key"},
			"of another image":       {by: me, of: "another", want: "it signs"},
			"of an index, by others": {index: true, signIndex: true, by: other, want: "it has no signature"},
		} {
			t.Run(place+" "+name, func(t *testing.T) {
				t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
				l := imagetest.NewLayout(t)
				img := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
				root := img
				if c.index {
					root = list(l, img)
				}
				f := imagetest.Serve(t, l, root)
				signed := img.Digest
				if c.signIndex {
					signed = root.Digest
				}
				says := signed
				if c.of != "" {
					says = digest.FromString(c.of)
				}
				put(f, l, signed, c.by.artifact(t, l, says))
				s := story.NewStore(t)
				writePolicy(t, s, f.Repository()+" key "+me.public()+"\n")
				_, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{})
				if c.want != "" {
					wantRefused(t, "pull", err, "policy (line 1")
					story.NoTrace(t, s)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := uses(t, s, f.Name()); err != nil {
					t.Error(err)
				}
				// Under another name of the same key, too, and only there.
				writePolicy(t, s, f.Repository()+" key "+me.public()+"\nlocalhost/mine key "+me.public()+"\n")
				if _, _, err := s.Tag(t.Context(), f.Name(), "mine"); err != nil {
					t.Error(err)
				}
				if err := uses(t, s, "mine"); err != nil {
					t.Error(err)
				}
				_, _, err = s.Tag(t.Context(), f.Name(), "theirs")
				wantRefused(t, "tag", err)
				// What is kept is enough, for the next pull and after gc.
				if _, err := s.GC(t.Context(), false); err != nil {
					t.Fatal(err)
				}
				f.Asked()
				if _, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{}); err != nil {
					t.Error(err)
				}
				if asked := f.Asked(); len(asked) != 1 {
					t.Errorf("pulled again: %q; want one HEAD", asked)
				}
				// The keys of now count.
				writePolicy(t, s, f.Repository()+" key "+other.public()+"\n")
				wantRefused(t, "with another key", uses(t, s, f.Name()))
				writePolicy(t, s, f.Repository()+" key "+other.public()+"\n"+f.Repository()+" key "+me.public()+"\n")
				if err := uses(t, s, f.Name()); err != nil {
					t.Errorf("with both keys: %v", err)
				}
			})
		}
	}
}

// Whatever is wrong with the policy, nothing is used; and what it refuses nobody is
// asked for.
func TestPolicyFailsClosed(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	me := newOwner(t)
	fill := func(text string) func(t *testing.T, policy string) {
		return func(t *testing.T, policy string) {
			if err := os.WriteFile(policy, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, put := range map[string]func(t *testing.T, policy string){
		"refuse":         fill("default refuse"),
		"an empty file":  fill(""),
		"others only":    fill("registry.example.com/ accept"),
		"no policy":      fill("{}"),
		"a line too few": fill("default\n"),
		"no key":         fill("default key /nonexistent"),
		"no key's file":  fill("default key /dev/null"),
		"a private key":  fill("default key " + me.private()),
		"nobody signed":  fill("default key " + me.public()),
		"a dangling link": func(t *testing.T, policy string) {
			if err := os.Symlink("nothing", policy); err != nil {
				t.Fatal(err)
			}
		},
		"a directory": func(t *testing.T, policy string) {
			if err := os.Mkdir(policy, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"a pipe": func(t *testing.T, policy string) {
			if err := os.Rename(imagetest.FIFO(t), policy); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := story.NewStore(t)
			if _, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			story.Import(t, s, "local", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
			before, _ := story.MakeBundle(t, s, "local", bundle.RootfsCopy)
			put(t, filepath.Join(s.Path(), "policy"))
			f.Asked()
			_, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{})
			wantRefused(t, "pull", err)
			if asked := f.Asked(); len(asked) > 0 && name != "nobody signed" {
				t.Errorf("the registry was asked for %q", asked)
			}
			_, err = transfer.Import(t.Context(), s, imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f"})), "local:2", transfer.CopyOptions{})
			wantRefused(t, "import", err)
			for _, image := range []string{f.Name(), "local", string(f.Root.Digest)} {
				wantRefused(t, "use of "+image, uses(t, s, image))
			}
			// What is there can be looked at and compared, and goes.
			if _, err := bundle.Diff(t.Context(), before, bundle.DiffOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := s.Inspect("local", manifest.Want{Platform: manifest.HostPlatform()}); err != nil {
				t.Error(err)
			}
			if _, err := s.Remove(t.Context(), false, "local"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A store can have its policy before it has anything else.
func TestPolicyFirst(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/policy", []byte("localhost/ accept\n"), 0o644)
	s := story.OpenStore(t, dir)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	if err := uses(t, s, "x"); err != nil {
		t.Error(err)
	}
}

// A key that a caller demands counts beside the policy.
func TestVerifyKey(t *testing.T) {
	me, other := newOwner(t), newOwner(t)
	l := imagetest.NewLayout(t)
	root := l.Image(v1.Image{}, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	f := imagetest.Serve(t, l, root)
	f.Put("sha256-"+root.Digest.Encoded()+".sig", me.artifact(t, l, root.Digest))
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	s := story.NewStore(t)
	pull := func(o owner) error {
		_, err := transfer.Pull(t.Context(), s, f.Name(), registry.Options{}, transfer.CopyOptions{Key: o.verifyKey(t)})
		return err
	}
	wantRefused(t, "another key", pull(other), other.public())
	story.NoTrace(t, s)
	writePolicy(t, s, "default key "+other.public())
	wantRefused(t, "the policy's key is another one", pull(me))
	writePolicy(t, s, "default refuse")
	wantRefused(t, "the policy refuses", pull(me))
	writePolicy(t, s, "default accept")
	if err := pull(me); err != nil {
		t.Error(err)
	}
}

// What push signs, pull and import accept, and the signature goes on from store to
// store.
func TestSignedPush(t *testing.T) {
	me, other := newOwner(t), newOwner(t)
	t.Setenv("REGISTRY_AUTH_FILE", imagetest.NoAuth(t))
	s := story.NewStore(t)
	writePolicy(t, s, "default accept")
	img := story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	f := imagetest.NewRegistry(t)
	dir := t.TempDir()
	push := func(s *store.Store, name, to string, by *trust.Signer) {
		t.Helper()
		if _, err := transfer.Push(t.Context(), s, name, to, transfer.PushOptions{Sign: by}); err != nil {
			t.Fatal(err)
		}
	}
	push(s, "x", f.Repository()+":2", other.signer(t))
	push(s, "x", f.Repository()+":2", me.signer(t)) // beside the other's
	push(s, "x", dir+"/dir", nil)
	push(s, "x", dir+"/archive.tar", nil)
	writePolicy(t, s, "localhost/ key "+me.public())
	if err := uses(t, s, "x"); err != nil {
		t.Errorf("what was signed here: %v", err)
	}
	second := story.NewStore(t)
	for _, o := range []owner{me, other} {
		writePolicy(t, second, "default key "+o.public())
		if c, err := transfer.Pull(t.Context(), second, f.Repository()+":2", registry.Options{}, transfer.CopyOptions{}); err != nil || c.Manifest != img.Manifest {
			t.Errorf("pull: %+v, %v", c, err)
		}
	}
	for _, from := range []string{"dir", "archive.tar"} {
		third := story.NewStore(t)
		writePolicy(t, third, "localhost/ key "+me.public())
		list, err := transfer.Import(t.Context(), third, dir+"/"+from, "", transfer.CopyOptions{})
		if err != nil || len(list) != 1 {
			t.Fatalf("import %s: %+v, %v; want the image, not its signatures", from, list, err)
		}
		if err := uses(t, third, "x"); err != nil {
			t.Error(err)
		}
		push(third, "x", f.Repository()+":3", nil)
	}
	// What somebody else's store says of the same image stays beside it.
	fourth := story.NewStore(t)
	if _, err := transfer.Import(t.Context(), fourth, dir+"/dir:localhost/x:latest", "", transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	alice := newOwner(t)
	push(fourth, "x", dir+"/dir", alice.signer(t))
	for _, o := range []owner{alice, me} {
		if _, err := transfer.Import(t.Context(), story.NewStore(t), dir+"/dir", "", transfer.CopyOptions{Key: o.verifyKey(t)}); err != nil {
			t.Error(err)
		}
	}
	// Signatures go with what they sign.
	writePolicy(t, second, "default accept")
	for _, name := range story.Names(t, second) {
		if _, err := second.Remove(t.Context(), false, name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := second.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, file := range story.Files(t, second) {
		if strings.HasPrefix(file, "signatures/") {
			t.Errorf("%s stayed", file)
		}
	}
}

// Two images of one name: the signature of one is not the other's.
func TestSignedOther(t *testing.T) {
	me := newOwner(t)
	l := imagetest.NewLayout(t)
	var roots []v1.Descriptor
	for _, arch := range []string{"arm64", "amd64"} {
		d := l.Image(v1.Image{Platform: v1.Platform{OS: "linux", Architecture: arch}}, imagetest.Tar(t, imagetest.Entry{Name: arch}))
		d.Annotations = map[string]string{v1.AnnotationRefName: "localhost/x:1"}
		roots = append(roots, d)
	}
	a := me.artifact(t, l, roots[0].Digest)
	a.Annotations = map[string]string{v1.AnnotationRefName: "sha256-" + roots[0].Digest.Encoded() + ".sig"}
	l.Index(append(roots, a)...)
	s := story.NewStore(t)
	all := transfer.CopyOptions{AllPlatforms: true}
	if _, err := transfer.Import(t.Context(), s, l.Dir, "", all); err != nil {
		t.Fatal(err)
	}
	writePolicy(t, s, "default key "+me.public())
	_, err := transfer.Import(t.Context(), s, l.Dir, "", all)
	wantRefused(t, "import of both", err)
	if _, err := transfer.Import(t.Context(), s, l.Dir, "localhost/y:1", transfer.CopyOptions{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}); err != nil {
		t.Errorf("the signed one: %v", err)
	}
	if _, _, err := s.Find("localhost/x:1", manifest.Want{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}); err != nil {
		t.Errorf("the signed one of both: %v", err)
	}
	_, _, err = s.Find("localhost/x:1", manifest.Want{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}})
	wantRefused(t, "the other one", err)
}

// A real registry has what cosign would look for, and with another key nothing
// comes out of it.
func TestSignedRealRegistry(t *testing.T) {
	imagetest.ShortBackoff(t)
	addr := realRegistry(t)
	me, other := newOwner(t), newOwner(t)
	s := story.NewStore(t)
	img := story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	for range 2 { // signed twice, with two signatures of the same payload
		if _, err := transfer.Push(t.Context(), s, "x", addr+"/a/web:1", transfer.PushOptions{Sign: me.signer(t)}); err != nil {
			t.Fatal(err)
		}
	}
	get := func(path string) []byte {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/v2/a/web/"+path, http.NoBody)
		req.Header.Set("Accept", v1.MediaTypeImageManifest)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v, %s", path, resp.Status, err, data)
		}
		return data
	}
	var m v1.Manifest
	if err := json.Unmarshal(get("manifests/sha256-"+img.Manifest.Encoded()+".sig"), &m); err != nil || len(m.Layers) != 2 {
		t.Fatalf("%+v, %v; want two signatures", m, err)
	}
	for _, l := range m.Layers {
		payload := get("blobs/" + string(l.Digest))
		sum := sha256.Sum256(payload)
		sig, err := base64.StdEncoding.DecodeString(l.Annotations["dev.cosignproject.cosign/signature"])
		if err != nil || !ecdsa.VerifyASN1(&me.key.PublicKey, sum[:], sig) || !strings.Contains(string(payload), `"docker-manifest-digest":"`+string(img.Manifest)+`"`) {
			t.Errorf("layer %+v: %v, payload %s", l, err, payload)
		}
	}
	c, err := transfer.Pull(t.Context(), story.NewStore(t), addr+"/a/web:1", registry.Options{}, transfer.CopyOptions{Key: me.verifyKey(t)})
	if err != nil || c.Manifest != img.Manifest {
		t.Errorf("pull: %+v, %v", c, err)
	}
	_, err = transfer.Pull(t.Context(), story.NewStore(t), addr+"/a/web:1", registry.Options{}, transfer.CopyOptions{Key: other.verifyKey(t)})
	wantRefused(t, "pull with another key", err)
}
