// Package registry talks to registries (the OCI distribution specification),
// through oras-go: it knows how to authenticate and how to push. What comes in
// is read here, with ranges to go on after a lost connection; the caller
// verifies it. No helper of credentials is started, no credential leaves for
// another host, and an encrypted connection stays so.
package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Options say how to talk to a registry.
type Options struct {
	// PlainHTTP talks HTTP instead of HTTPS. nil does so on the loopback
	// interface only.
	PlainHTTP *bool
	// AuthFile has the credentials; "" looks where podman and docker keep
	// them.
	AuthFile string
}

// The time, at most, that a registry may be silent.
var (
	headerTimeout = 60 * time.Second
	stallTimeout  = 60 * time.Second
)

const maxRedirects = 10

// Repository is one repository of a registry.
type Repository struct {
	name  reference.Name
	repo  *remote.Repository
	base  string // URL
	login *login
}

// Open prepares to talk to the repository of a name; nothing is sent yet. The
// error is that of its credentials or its name. The caller closes it.
func Open(n reference.Name, o Options) (*Repository, error) {
	l, err := findLogin(n, o.AuthFile, os.Getenv)
	if err != nil {
		return nil, err
	}
	plain := isLoopback(n.Registry)
	if o.PlainHTTP != nil {
		plain = *o.PlainHTTP
	}
	ref := orasregistry.Reference{Registry: n.Registry, Repository: n.Repository}
	if err := ref.Validate(); err != nil {
		return nil, fmt.Errorf("image %s: %w", n, err)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: headerTimeout, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
	client := &auth.Client{
		Client: &http.Client{Transport: retry.NewTransport(transport), CheckRedirect: checkRedirect},
		Cache:  auth.NewCache(),
		Credential: func(_ context.Context, host string) (auth.Credential, error) {
			if host != ref.Host() {
				return auth.EmptyCredential, nil
			}
			return l.Credential, nil
		},
	}
	client.SetUserAgent("runcell")
	scheme := "https"
	if plain {
		scheme = "http"
	}
	return &Repository{
		name: n, login: l, base: scheme + "://" + ref.Host() + "/v2/" + n.Repository,
		repo: &remote.Repository{Client: client, Reference: ref, PlainHTTP: plain, SkipReferrersGC: true},
	}, nil
}

// Close ends idle connections.
func (r *Repository) Close() {
	if c, ok := r.repo.Client.(*auth.Client); ok {
		c.Client.CloseIdleConnections()
	}
}

// isLoopback tells whether host[:port] can only be this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == reference.LocalRegistry || ip != nil && ip.IsLoopback()
}

// checkRedirect lets a registry send us elsewhere for a blob, but never from
// an encrypted connection to a plain one.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	for _, before := range via {
		if before.URL.Scheme == "https" && req.URL.Scheme != "https" {
			return fmt.Errorf("it redirects from https to %s", req.URL.Redacted())
		}
	}
	return nil
}

// manifestTypes are the documents that a registry may give for a name.
var manifestTypes = []string{
	v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, manifest.MediaTypeDockerIndex, manifest.MediaTypeDockerManifest,
}

// get sends a GET request and gives the response if its status is one of ok.
func (r *Repository) get(ctx context.Context, path string, header map[string]string, ok ...int) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, r.repo.Reference, auth.ActionPull)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // digests are of what is stored
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := r.repo.Client.Do(req)
	if err != nil {
		return nil, r.explain(err)
	}
	if slices.Contains(ok, resp.StatusCode) {
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, r.refused(path, resp.StatusCode)
}

// explain adds to an error what a user can do about it.
func (r *Repository) explain(err error) error {
	switch {
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return backoff.Final{Err: fmt.Errorf("the registry %s asks who you are; %s", r.name.Registry, r.login.why())}
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return backoff.Final{Err: fmt.Errorf("%w: give --plain-http if nobody else can read or change what the network carries", err)}
	}
	return err
}

// refused turns a status into an error. Those that a new attempt would only
// repeat are a finalError.
func (r *Repository) refused(path string, status int) error {
	text := fmt.Sprintf("%s%s: %d %s", r.base, path, status, http.StatusText(status))
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return backoff.Final{Err: fmt.Errorf("%s: the registry refuses or has no such repository; %s", text, r.login.why())}
	case status == http.StatusNotFound:
		return backoff.Final{Err: errors.New(text)}
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return backoff.Final{Err: errors.New(text)}
	}
	return errors.New(text)
}

// Resolve gives the descriptor of what the name stands for now.
func (r *Repository) Resolve(ctx context.Context) (v1.Descriptor, error) {
	what := r.name.Tag
	if r.name.Digest != "" {
		what = string(r.name.Digest)
	}
	d, _, err := r.manifest(ctx, what, r.name.Digest)
	return d, err
}

// manifest fetches a manifest or index by tag or digest. Its type is what the
// registry says it is, and the document must agree (CVE-2021-41190).
func (r *Repository) manifest(ctx context.Context, what string, want digest.Digest) (d v1.Descriptor, data []byte, err error) {
	path := "/manifests/" + what
	resp, err := r.get(ctx, path, map[string]string{"Accept": strings.Join(manifestTypes, ", ")}, http.StatusOK)
	if err != nil {
		return d, nil, err
	}
	defer resp.Body.Close()
	if data, err = io.ReadAll(io.LimitReader(resp.Body, image.MaxJSON+1)); err != nil {
		return d, nil, fmt.Errorf("%s%s: %w", r.base, path, err)
	}
	if len(data) > image.MaxJSON {
		return d, nil, fmt.Errorf("%s%s: more than %d bytes", r.base, path, image.MaxJSON)
	}
	if want == "" {
		want = digest.FromBytes(data)
		if said := digest.Digest(resp.Header.Get("Docker-Content-Digest")); said != "" {
			if err := verify.Digest(said); err != nil {
				return d, nil, fmt.Errorf("%s%s: %w", r.base, path, err)
			}
			want = said
		}
	}
	if got := want.Algorithm().FromBytes(data); got != want {
		return d, nil, fmt.Errorf("%s%s: its digest is %s, not %s: %w", r.base, path, got, want, verify.ErrMismatch)
	}
	d = v1.Descriptor{Digest: want, Size: int64(len(data))}
	if d.MediaType, _, err = mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil {
		return d, nil, fmt.Errorf("%s%s: Content-Type %s: %w", r.base, path, image.Quote(resp.Header.Get("Content-Type")), err)
	}
	switch d.MediaType {
	case v1.MediaTypeImageIndex, manifest.MediaTypeDockerIndex:
		_, err = manifest.ParseIndex(data, d.MediaType)
	case v1.MediaTypeImageManifest, manifest.MediaTypeDockerManifest:
		_, err = manifest.ParseManifest(data, d.MediaType)
	default:
		err = fmt.Errorf("type %s: neither an image nor an index of images", image.Quote(d.MediaType))
	}
	if err != nil {
		return d, nil, fmt.Errorf("%s%s: %w", r.base, path, err)
	}
	return d, data, nil
}

// Source is a repository as a source of images.
type Source struct {
	*Repository
	Ctx context.Context // of reading documents
}

// ReadBlob fetches a document.
func (r Source) ReadBlob(d v1.Descriptor) ([]byte, error) {
	if !slices.Contains(manifestTypes, d.MediaType) {
		return verify.Document(d, func() (io.ReadCloser, error) { return r.Open(r.Ctx, d, 0) })
	}
	if err := errors.Join(verify.CheckSize(d), verify.Digest(d.Digest)); err != nil {
		return nil, err
	}
	got, data, err := r.manifest(r.Ctx, string(d.Digest), d.Digest)
	if err != nil {
		return nil, err
	}
	if got.MediaType != d.MediaType || got.Size != d.Size {
		return nil, fmt.Errorf("manifest %s: the registry has %d bytes of type %s, its descriptor says %d of %s: %w",
			d.Digest, got.Size, image.Quote(got.MediaType), d.Size, image.Quote(d.MediaType), verify.ErrMismatch)
	}
	return data, nil
}

// Open gets a blob from an offset on. A document's manifest is none.
func (r Source) Open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	if err := verify.Digest(d.Digest); err != nil {
		return nil, err
	}
	if slices.Contains(manifestTypes, d.MediaType) {
		_, data, err := r.manifest(ctx, string(d.Digest), d.Digest)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(stream.Slice(data, offset)), nil
	}
	path, header := "/blobs/"+string(d.Digest), map[string]string{}
	if offset > 0 {
		header["Range"] = "bytes=" + strconv.FormatInt(offset, 10) + "-"
	}
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := r.get(ctx, path, header, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	w := &watched{body: resp.Body, cancel: cancel, ctx: ctx}
	w.timer = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	if err := w.startAt(resp, offset, d.Size); err != nil {
		return nil, errors.Join(fmt.Errorf("%s%s: %w", r.base, path, err), w.Close())
	}
	return w, nil
}

var errStalled = errors.New("the registry sent nothing for too long")

// watched is a body whose reads don't wait for ever.
type watched struct {
	body   io.ReadCloser
	timer  *time.Timer
	cancel context.CancelCauseFunc
	ctx    context.Context
}

// startAt makes sure that the body begins at the offset: a server need not
// know ranges.
func (w *watched) startAt(resp *http.Response, offset, size int64) error {
	rest := size
	if resp.StatusCode == http.StatusPartialContent {
		want := "bytes " + strconv.FormatInt(offset, 10) + "-"
		if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, want) {
			return fmt.Errorf("Content-Range %s: asked for %s: %w", image.Quote(got), image.Quote(want), verify.ErrMismatch)
		}
		rest -= offset
		offset = 0
	}
	if n := resp.ContentLength; n >= 0 && n != rest {
		return fmt.Errorf("the registry sends %d bytes, the descriptor leaves %d: %w", n, rest, verify.ErrMismatch)
	}
	_, err := io.CopyN(io.Discard, w, offset)
	return err
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(stallTimeout)
	n, err := w.body.Read(p)
	w.timer.Stop() // whoever reads may take its time
	if err != nil && err != io.EOF && errors.Is(context.Cause(w.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	err := w.body.Close()
	w.cancel(nil)
	return err
}

// explainPush adds to an error of oras-go what a user can do about it.
func (r *Repository) explainPush(err error) error {
	if err == nil {
		return nil
	}
	var answer *errcode.ErrorResponse
	if errors.As(err, &answer) && answer.StatusCode < 500 {
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			return backoff.Final{Err: fmt.Errorf("%w; %s", err, r.login.why())}
		}
		return backoff.Final{Err: err}
	}
	return r.explain(err)
}

// Has tells whether the registry has a blob.
func (r *Repository) Has(ctx context.Context, d v1.Descriptor) (bool, error) {
	there, err := r.repo.Blobs().Exists(ctx, d)
	return there, r.explainPush(err)
}

// PushBlob sends a blob.
func (r *Repository) PushBlob(ctx context.Context, d v1.Descriptor, content io.Reader) error {
	return r.explainPush(r.repo.Blobs().Push(ctx, d, content))
}

// PushManifest sends a manifest or an index under a tag or its digest.
func (r *Repository) PushManifest(ctx context.Context, d v1.Descriptor, data []byte, tag string) error {
	return r.explainPush(r.repo.Manifests().PushReference(ctx, d, bytes.NewReader(data), tag))
}
