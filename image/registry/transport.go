package registry

// The one way to a registry. Every request goes through here, also those for
// tokens, whoever sends them: what is refused for the moment is asked again, a
// line on which nothing moves is given up, and of several ways to say who we are
// one is picked.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
)

// transport is the http.RoundTripper of a repository.
type transport struct {
	base     http.RoundTripper
	stall    time.Duration // that nothing may move
	patience time.Duration // the longest Retry-After that is waited for
	answered atomic.Bool   // the registry has been there

	mu   sync.Mutex
	tell func(error) // of what is tried again; nil: nobody
}

// newTransport talks TLS and TCP.
func newTransport(o Options) *transport {
	return &transport{stall: o.Stall, patience: o.Patience, tell: o.Tell, base: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 30 * time.Second, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}}
}

// close ends idle connections.
func (t *transport) close() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper. What a new attempt could change is
// tried again, and an error is a backoff.Final then, so that nobody above does
// the same once more. A body that can't be sent twice is up to the caller: an
// error says that it is worth it, and after how long.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return t.once(req)
	}
	var resp *http.Response
	first := true
	err := backoff.Retry(req.Context(), func() (_ bool, err error) {
		attempt := req
		if !first {
			if attempt, err = again(req); err != nil {
				return false, backoff.Final{Err: err}
			}
		}
		first = false
		if resp != nil {
			_ = resp.Body.Close()
		}
		if resp, err = t.exchange(attempt); err != nil {
			return false, t.weigh(err)
		}
		return false, t.refusedForNow(resp)
	}, t.report)
	if resp == nil {
		return nil, final(err)
	}
	if req.Context().Err() != nil && err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return pickChallenge(resp), nil
}

// once sends a request whose body can't be sent twice.
func (t *transport) once(req *http.Request) (*http.Response, error) {
	resp, err := t.exchange(req)
	if err != nil {
		if err = t.weigh(err); !backoff.IsFinal(err) {
			err = backoff.Later{Err: err}
		}
		return nil, err
	}
	if err := t.refusedForNow(resp); err != nil && !backoff.IsFinal(err) {
		_ = resp.Body.Close()
		return nil, err
	}
	return pickChallenge(resp), nil
}

// again is the request with its body from the beginning.
func again(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("send the request again: %w", err)
	}
	req = req.WithContext(req.Context())
	req.Body = body
	return req, nil
}

func final(err error) error { return backoff.Final{Err: err} }

func (t *transport) report(err error) {
	if t.tell == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(err)
}

// exchange sends a request once, and watches it until the body of the answer is
// closed.
func (t *transport) exchange(req *http.Request) (*http.Response, error) {
	w := watch(req.Context(), t.stall)
	req = req.WithContext(w.ctx)
	if req.Body != nil && req.Body != http.NoBody {
		body := &sending{ReadCloser: req.Body, w: w}
		defer body.stop()
		req.Body = body
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		err = w.blame(err)
		w.end()
		return nil, err
	}
	t.answered.Store(true)
	w.rest()
	resp.Body = receiving{resp.Body, w}
	return resp, nil
}

// weigh makes an error that a new attempt would only repeat a backoff.Final. Of a
// registry that has never answered, an error that is not known says that there is
// none.
func (t *transport) weigh(err error) error {
	var certificate *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && !t.answered.Load():
		// A host that does not exist, and one whose name nobody can be asked for,
		// are told at once: a few seconds change neither.
	case errors.As(err, &certificate), errors.As(err, &noTLS):
	case broken(err), t.answered.Load():
		return err
	}
	return backoff.Final{Err: err}
}

// broken tells whether an error is that of a line that broke or fell silent.
func broken(err error) bool {
	var netErr net.Error
	var dns *net.DNSError
	return errors.Is(err, errStalled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &netErr) && netErr.Timeout() ||
		errors.As(err, &dns) && dns.IsTemporary
}

// worthwhile tells whether what has come through the transport is to be tried again
// as a whole: it says so, or the line broke after it had given the answer away.
func worthwhile(err error) bool {
	var later backoff.Later
	return !backoff.IsFinal(err) && (errors.As(err, &later) || broken(err))
}

// forNow are the answers after which the same request can succeed: RFC 9110,
// 15.5.9 and 15.6; RFC 6585, 4. The rest of 5xx says what the server can't do.
func forNow(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return false
	}
	return status >= 500
}

// refusedForNow is nil unless the request is to be sent again.
func (t *transport) refusedForNow(resp *http.Response) error {
	if !forNow(resp.StatusCode) {
		return nil
	}
	err := fmt.Errorf("%s: %s", resp.Request.URL.Redacted(), resp.Status)
	after := retryAfter(resp.Header, time.Now())
	if after > t.patience {
		return backoff.Final{Err: err}
	}
	return backoff.Later{Err: err, After: after}
}

// retryAfter is how long an answer asks to wait, 0 if it doesn't: seconds, or the
// time when it is over (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 365 * 24 * time.Hour
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(n, uint64(most/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		now = d // its own clock
	}
	return min(max(0, at.Sub(now)), most)
}

var errStalled = errors.New("the registry sent nothing for too long")

// watcher ends an exchange in which nothing moves.
type watcher struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

func watch(ctx context.Context, limit time.Duration) *watcher {
	w := &watcher{limit: limit}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(limit, func() { w.cancel(errStalled) })
	return w
}

// moved gives the other side its time anew.
func (w *watcher) moved() { w.timer.Reset(w.limit) }

// rest stops the clock: it is our turn, and we may take our time.
func (w *watcher) rest() { w.timer.Stop() }

// blame says whose fault an error is, if it is that of the clock.
func (w *watcher) blame(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(w.ctx), errStalled) {
		return fmt.Errorf("%w (%v)", errStalled, w.limit)
	}
	return err
}

func (w *watcher) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// sending is the body of a request. An answer can come before all of it is sent,
// and net/http reads on then: nobody else could use what is below.
type sending struct {
	io.ReadCloser
	w    *watcher
	mu   sync.Mutex
	over bool
}

func (s *sending) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over { // if that is too early, net/http says so
		return 0, io.EOF
	}
	s.w.moved()
	return s.ReadCloser.Read(p)
}

// stop waits for a read that is under way, and lets no other one begin.
func (s *sending) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

// receiving is the body of an answer.
type receiving struct {
	io.ReadCloser
	w *watcher
}

func (r receiving) Read(p []byte) (int, error) {
	r.w.moved()
	n, err := r.ReadCloser.Read(p)
	r.w.rest()
	return n, r.w.blame(err)
}

func (r receiving) Close() error {
	err := r.ReadCloser.Close()
	r.w.end()
	return err
}
