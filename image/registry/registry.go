// Package registry talks to registries (the OCI distribution specification),
// through oras-go: it knows how to authenticate and how to push. What comes in
// is read here, with ranges to go on after a lost connection; the caller
// verifies it. No helper of credentials is started, no credential leaves for
// another host, and an encrypted connection stays so.
package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/reference"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Options say how to talk to a registry.
type Options struct {
	// PlainHTTP talks HTTP instead of HTTPS. nil does so on the loopback
	// interface only.
	PlainHTTP *bool
	// AuthFile has the credentials; "" looks where podman and docker keep
	// them.
	AuthFile string
	// Stall is how long nothing may move on a connection before it is given
	// up, 0: DefaultStall.
	Stall time.Duration
	// Patience is the longest time that a registry may ask to be left alone
	// for; if it asks for more, its refusal is final. 0: DefaultPatience.
	Patience time.Duration
	// Tell, if not nil, is told of each failure that is followed by another
	// attempt, never twice at the same time.
	Tell func(error)
}

// What Options without these values say.
const (
	DefaultStall    = 60 * time.Second
	DefaultPatience = 2 * time.Minute
)

const maxRedirects = 10

// Repository is one repository of a registry.
type Repository struct {
	name  reference.Name
	repo  *remote.Repository
	line  *transport
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
	r := prepare(n, o, l)
	if err := r.repo.Reference.Validate(); err != nil {
		return nil, fmt.Errorf("image %s: %w", n, err)
	}
	return r, nil
}

// prepare prepares to talk to a repository, or to a registry as a whole.
func prepare(n reference.Name, o Options, l *login) *Repository {
	plain := isLoopback(n.Registry)
	if o.PlainHTTP != nil {
		plain = *o.PlainHTTP
	}
	ref := orasregistry.Reference{Registry: n.Registry, Repository: n.Repository}
	if o.Stall <= 0 {
		o.Stall = DefaultStall
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	line := newTransport(o)
	client := &auth.Client{
		Client: &http.Client{Transport: line, CheckRedirect: checkRedirect},
		Cache:  auth.NewCache(),
		Credential: func(_ context.Context, host string) (auth.Credential, error) {
			if host != ref.Host() {
				return auth.EmptyCredential, nil
			}
			l.sent.Store(true)
			return l.Credential, nil
		},
	}
	client.SetUserAgent("runcell")
	scheme := "https"
	if plain {
		scheme = "http"
	}
	return &Repository{
		name: n, login: l, line: line, base: scheme + "://" + ref.Host() + "/v2/" + n.Repository,
		repo: &remote.Repository{Client: client, Reference: ref, PlainHTTP: plain, SkipReferrersGC: true},
	}
}

// Close ends idle connections.
func (r *Repository) Close() { r.line.close() }

// isLoopback tells whether host[:port] can only be this machine: names of hosts have
// no case, and may end with a dot (RFC 4343; RFC 1034, section 3.1).
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	return name == reference.LocalRegistry || ip.IsLoopback() // none is not one
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

// try does what can be done again until it succeeds or it is useless.
func (r *Repository) try(ctx context.Context, do func() error) error {
	return backoff.Retry(ctx, func() (bool, error) { return false, do() }, r.line.report)
}

// send sends a request without a body and gives the answer if its status is one
// of ok.
func (r *Repository) send(ctx context.Context, method, path string, header map[string]string, ok ...int) (*http.Response, error) {
	if r.name.Repository != "" {
		ctx = auth.AppendRepositoryScope(ctx, r.repo.Reference, auth.ActionPull)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, http.NoBody)
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
	err = r.refused(path, resp)
	_ = resp.Body.Close()
	return nil, err
}

// explain adds to an error what a user can do about it. What the transport could
// try again it has tried, and what comes of an answer comes of it each time.
func (r *Repository) explain(err error) error {
	var noTLS tls.RecordHeaderError
	var answer *errcode.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		err = fmt.Errorf("the registry %s asks who you are; %s", r.name.Registry, r.login.why())
	case errors.As(err, &answer):
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			err = fmt.Errorf("%w; %s", err, r.login.why())
		}
	case errors.As(err, &noTLS) && string(noTLS.RecordHeader[:]) == "HTTP/":
		err = fmt.Errorf("%w: give --plain-http if nobody else can read or change what the network carries", err)
	case r.repo.PlainHTTP && strings.Contains(err.Error(), "malformed HTTP response"):
		err = fmt.Errorf("%w: %s", err, useTLS)
	case worthwhile(err):
		return err
	}
	return final(err)
}

// useTLS is what to do when plain HTTP met TLS. On the loopback interface nobody
// asked for plain HTTP.
const useTLS = "it may talk TLS: give --plain-http=false"

// refused turns an answer into an error. What could have been tried again was,
// so it is final.
func (r *Repository) refused(path string, resp *http.Response) error {
	status := resp.StatusCode
	text := fmt.Sprintf("%s%s: %d %s", r.base, path, status, http.StatusText(status))
	switch {
	case r.login.typed && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		text += ": " + r.login.why()
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		text += ": the registry refuses or has no such repository; " + r.login.why()
	case status == http.StatusBadRequest && r.repo.PlainHTTP && wantsTLS(resp):
		text += ": " + useTLS
	case forNow(status):
		if after := retryAfter(resp.Header, time.Now()); after > 0 {
			text += fmt.Sprintf(": it asks to come back in %v", after)
		}
	}
	return backoff.Final{Err: &refusal{status, text}}
}

// wantsTLS tells whether a refusal is that of a server of TLS that was talked to
// without: Go's and nginx's say so, in these words.
func wantsTLS(resp *http.Response) bool {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // a hint, not worth an error
	s := string(text)
	return strings.Contains(s, "HTTP request to an HTTPS server") || strings.Contains(s, "HTTP request was sent to HTTPS port")
}
