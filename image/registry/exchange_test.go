package registry

// The way to a registry, without a network: what is sent again, when a line is
// given up, and what is said of it.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/backoff"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/reference"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// base is what a transport sends through.
type base func(req *http.Request) (*http.Response, error)

func (b base) RoundTrip(req *http.Request) (*http.Response, error) { return b(req) }

// body is that of an answer or a request; it counts how often it is closed.
type body struct {
	io.Reader
	closed *int
}

func (b body) Close() error { *b.closed++; return nil }

func answerTo(req *http.Request, status int, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	resp := w.Result()
	resp.Request = req
	return resp
}

func line(b base) *transport {
	t := newTransport(Options{Stall: time.Minute, Patience: time.Minute})
	t.base = b
	return t
}

func request(ctx context.Context, t *testing.T, send io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://u:secret@registry.example/v2/x", send)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// once wraps what net/http can't send twice.
func once(r io.Reader) io.Reader { return struct{ io.Reader }{r} }

func TestSentAgain(t *testing.T) {
	var waits []time.Duration
	imagetest.NoWaiting(t, &waits)
	for name, c := range map[string]struct {
		send     func(req *http.Request)
		content  io.Reader
		attempts int
		body     string // of each attempt
	}{
		"no body":         {func(*http.Request) {}, nil, 3, ""},
		"an empty body":   {func(req *http.Request) { req.GetBody = nil }, http.NoBody, 3, ""},
		"a body":          {func(*http.Request) {}, strings.NewReader("content"), 3, "content"},
		"a body for once": {func(*http.Request) {}, once(strings.NewReader("content")), 1, "content"},
	} {
		attempts, told, closed := 0, 0, 0
		tr := line(func(req *http.Request) (*http.Response, error) {
			attempts++
			if c.content == nil && req.Body != nil || c.content == http.NoBody && req.Body != http.NoBody {
				t.Errorf("%s: the body is %v", name, req.Body)
			}
			if req.Body != nil {
				if data, err := io.ReadAll(req.Body); string(data) != c.body || err != nil {
					t.Errorf("%s: attempt %d sends %q, %v", name, attempts, data, err)
				}
			}
			resp := answerTo(req, map[bool]int{true: 200, false: 503}[attempts == 3])
			resp.Body = body{resp.Body, &closed}
			return resp, nil
		})
		tr.tell = func(error) { told++ }
		req := request(t.Context(), t, c.content)
		c.send(req)
		resp, err := tr.RoundTrip(req)
		if attempts != c.attempts || told != attempts-1 {
			t.Errorf("%s: %d attempts, told of %d", name, attempts, told)
		}
		if c.attempts == 1 {
			var later backoff.Later
			if !errors.As(err, &later) || err.Error() != "https://u:xxxxx@registry.example/v2/x: 503 Service Unavailable" || closed != 1 {
				t.Errorf("%s: %v, %v, closed %d times; want an error that is worth another attempt", name, resp, err, closed)
			}
		} else if err != nil || resp.StatusCode != http.StatusOK || closed != 2 {
			t.Errorf("%s: %v, %v, closed %d times", name, resp, err, closed)
		}
	}
	if tr := line(nil); tr.tell != nil {
		t.Error("somebody is told")
	} else {
		tr.report(errors.New("nobody is told"))
	}
}

// What comes in the end is given as it is, and an error of which nothing else would
// come as a final one.
func TestLastAnswer(t *testing.T) {
	imagetest.NoWaiting(t, new([]time.Duration))
	broke := fmt.Errorf("read: %w", syscall.ECONNRESET)
	for name, c := range map[string]struct {
		status   int // 0: err
		header   []string
		err      error
		attempts int
		cancel   bool
		answer   bool
		final    bool
	}{
		"good":                       {status: 200, attempts: 1, answer: true},
		"not there":                  {status: 404, attempts: 1, answer: true},
		"down":                       {status: 503, attempts: backoff.Attempts, answer: true},
		"down for too long":          {status: 503, header: []string{"Retry-After", "61"}, attempts: 1, answer: true},
		"not for too long":           {status: 503, header: []string{"Retry-After", "60"}, attempts: backoff.Attempts, answer: true},
		"a line that breaks":         {err: broke, attempts: backoff.Attempts, final: true},
		"something else":             {err: errors.New("else"), attempts: 1, final: true},
		"cancelled, good":            {status: 200, cancel: true, attempts: 1, answer: true},
		"cancelled while it is down": {status: 503, cancel: true, attempts: 1},
		"cancelled, a line broken":   {err: broke, cancel: true, attempts: 1, final: true},
		"who are you":                {status: 401, header: []string{"WWW-Authenticate", `Negotiate, Basic realm="x"`}, attempts: 1, answer: true},
	} {
		for _, only := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			attempts, closed := 0, 0
			tr := line(func(req *http.Request) (*http.Response, error) {
				attempts++
				if c.cancel {
					cancel()
				}
				if c.status == 0 {
					return nil, c.err
				}
				resp := answerTo(req, c.status, c.header...)
				resp.Body = body{resp.Body, &closed}
				return resp, nil
			})
			send := io.Reader(strings.NewReader("x"))
			want := c.attempts
			if only {
				send, want = once(send), 1
			}
			resp, err := tr.RoundTrip(request(ctx, t, send))
			answer, final := c.answer, c.final
			if only { // of what is worth another attempt somebody else makes one
				answer = c.answer && c.attempts == 1
				final = c.final && !errors.Is(c.err, broke)
			}
			if attempts != want || (err == nil) != answer || (resp != nil) != answer || err != nil && backoff.IsFinal(err) != final && !c.cancel {
				t.Errorf("%s, only once %v: %d attempts, %v, %v; want %d, an answer: %v, final: %v", name, only, attempts, resp, err, want, answer, final)
			}
			if c.cancel && !answer && !only && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error is %v", name, err)
			}
			if resp != nil {
				if got := resp.Header.Values("WWW-Authenticate"); c.status == 401 && !slices.Equal(got, []string{`basic realm="x"`}) {
					t.Errorf("%s: it asks %q", name, got)
				}
				attempts--
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
				attempts++
			}
			if c.status != 0 && closed != attempts {
				t.Errorf("%s, only once %v: %d bodies are closed, of %d", name, only, closed, attempts)
			}
			cancel()
		}
	}
}

// What is not known of a registry that has answered before can be another the next
// time, which is up to whoever has the body.
func TestOnceMore(t *testing.T) {
	some := errors.New("some")
	for answered := range map[bool]bool{false: true, true: true} {
		tr := line(func(*http.Request) (*http.Response, error) { return nil, some })
		tr.answered.Store(answered)
		_, err := tr.RoundTrip(request(t.Context(), t, once(strings.NewReader("x"))))
		var later backoff.Later
		if errors.As(err, &later) != answered || backoff.IsFinal(err) == answered || !errors.Is(err, some) {
			t.Errorf("answered before: %v: %v", answered, err)
		}
	}
}

// ticks tells whether a clock runs, and stops it.
func ticks(w *watcher) bool { return w.timer.Stop() }

// The clock runs while we wait for the other side, and not otherwise.
func TestClock(t *testing.T) {
	var asked *http.Request
	closed := 0
	var sent *sending
	reads := 0
	tr := line(func(req *http.Request) (*http.Response, error) {
		asked, sent = req, req.Body.(*sending)
		if !ticks(sent.w) {
			t.Error("nobody waits for the answer")
		}
		if n, err := sent.Read(make([]byte, 1)); n != 1 || err != nil || !ticks(sent.w) {
			t.Errorf("%d, %v; the clock does not run after a part was sent", n, err)
		}
		resp := answerTo(req, 200)
		resp.Body = body{readFunc(func(p []byte) (int, error) {
			reads++
			if !ticks(sent.w) {
				t.Error("nobody waits for the content")
			}
			sent.w.moved()
			return copy(p, "x"), nil
		}), &closed}
		sent.w.moved()
		return resp, nil
	})
	resp, err := tr.RoundTrip(request(t.Context(), t, strings.NewReader("content")))
	if err != nil {
		t.Fatal(err)
	}
	if ticks(sent.w) || !tr.answered.Load() {
		t.Errorf("the clock runs while it is our turn; answered: %v", tr.answered.Load())
	}
	if n, err := sent.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("what is sent is read on: %d, %v", n, err)
	}
	if n, err := resp.Body.Read(make([]byte, 1)); n != 1 || err != nil || reads != 1 || ticks(sent.w) {
		t.Errorf("%d, %v, read %d times; or the clock runs afterwards", n, err, reads)
	}
	if asked.Context().Err() != nil {
		t.Error("the exchange ended before its body was closed")
	}
	sent.w.moved()
	if err := resp.Body.Close(); err != nil || closed != 1 || asked.Context().Err() == nil || ticks(sent.w) {
		t.Errorf("%v, closed %d times, the exchange: %v", err, closed, asked.Context().Err())
	}
	bad := errors.New("bad")
	var w *watcher
	tr = line(func(req *http.Request) (*http.Response, error) {
		asked, w = req, req.Body.(*sending).w
		return nil, bad
	})
	if _, err := tr.RoundTrip(request(t.Context(), t, strings.NewReader("x"))); !errors.Is(err, bad) || asked.Context().Err() == nil || ticks(w) {
		t.Errorf("%v, the exchange: %v", err, asked.Context().Err())
	}
	if tr.answered.Load() {
		t.Error("an error counts as an answer")
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// A line on which nothing moves is given up.
func TestClockEnds(t *testing.T) {
	imagetest.NoWaiting(t, new([]time.Duration))
	tr := line(func(req *http.Request) (*http.Response, error) {
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(20 * time.Second):
			return nil, errors.New("it lasts")
		}
	})
	tr.stall = time.Millisecond
	if _, err := tr.RoundTrip(request(t.Context(), t, nil)); !errors.Is(err, errStalled) || !strings.HasSuffix(err.Error(), "(1ms)") {
		t.Errorf("error is %v", err)
	}
	stalled, not := watch(t.Context(), time.Minute), watch(t.Context(), time.Minute)
	stalled.cancel(errStalled)
	defer stalled.end()
	defer not.end()
	bad := errors.New("bad")
	for _, c := range []struct {
		w         *watcher
		err, want error
	}{{stalled, nil, nil}, {stalled, io.EOF, io.EOF}, {stalled, bad, errStalled}, {not, bad, bad}, {not, nil, nil}} {
		if got := c.w.blame(c.err); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%v becomes %v; want %v", c.err, got, c.want)
		}
	}
}

type slow struct{ error }

func (slow) Timeout() bool   { return true }
func (slow) Temporary() bool { return false }

type quick struct{ slow }

func (quick) Timeout() bool { return false }

// What a new attempt could change, and what it would only repeat.
func TestWhatIsWorthIt(t *testing.T) {
	some := errors.New("some")
	for name, c := range map[string]struct {
		err             error
		broken          bool
		first, answered bool // whether it is final, of a registry that never answered, or did
	}{
		"silence":             {fmt.Errorf("x: %w", errStalled), true, false, false},
		"an end":              {io.EOF, true, false, false},
		"an early end":        {io.ErrUnexpectedEOF, true, false, false},
		"reset":               {syscall.ECONNRESET, true, false, false},
		"a broken pipe":       {syscall.EPIPE, true, false, false},
		"a timeout":           {slow{some}, true, false, false},
		"no timeout":          {quick{slow{some}}, false, true, false},
		"refused":             {syscall.ECONNREFUSED, false, true, false},
		"unknown":             {some, false, true, false},
		"a name, for now":     {&net.DNSError{IsTemporary: true}, true, true, false},
		"a name, too late":    {&net.DNSError{IsTimeout: true}, true, true, false},
		"no such name":        {&net.DNSError{IsNotFound: true}, false, true, false},
		"a certificate":       {&tls.CertificateVerificationError{Err: slow{some}}, true, true, true},
		"no TLS":              {tls.RecordHeaderError{Msg: "x"}, false, true, true},
		"a certificate, late": {fmt.Errorf("%w, %w", &tls.CertificateVerificationError{Err: some}, io.EOF), true, true, true},
		"no TLS, and the end": {fmt.Errorf("%w, %w", tls.RecordHeaderError{}, io.EOF), true, true, true},
	} {
		if broken(c.err) != c.broken || worthwhile(c.err) != c.broken {
			t.Errorf("%s: broken: %v, worth it: %v; want %v", name, broken(c.err), worthwhile(c.err), c.broken)
		}
		for answered, final := range map[bool]bool{false: c.first, true: c.answered} {
			tr := line(nil)
			tr.answered.Store(answered)
			if got := tr.weigh(c.err); backoff.IsFinal(got) != final || !errors.Is(got, c.err) {
				t.Errorf("%s, answered before: %v: %v; final: want %v", name, answered, got, final)
			}
		}
	}
	if !worthwhile(backoff.Later{Err: some}) || worthwhile(backoff.Final{Err: io.EOF}) || worthwhile(backoff.Final{Err: backoff.Later{Err: some}}) {
		t.Error("what is said of it does not count")
	}
}

func TestStatusForNow(t *testing.T) {
	for status := range 600 {
		want := slices.Contains([]int{408, 429}, status) || status >= 500 && !slices.Contains([]int{501, 505, 511}, status)
		if forNow(status) != want {
			t.Errorf("%d is for now: %v", status, !want)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0},
		{" 7\t", "", 7 * time.Second},
		{"0", "", 0},
		{"-7", "", 0},
		{"soon", "", 0},
		{"31536001", "", year},
		{"99999999999999999999", "", year},
		{in(time.Minute), "", time.Minute},
		{in(-time.Minute), "", 0},
		{in(2 * year), "", year},
		{in(time.Hour), in(59 * time.Minute), time.Minute},
		{in(time.Hour), "now", time.Hour},
	} {
		if got := retryAfter(http.Header{"Retry-After": {c.after}, "Date": {c.date}}, now); got != c.want {
			t.Errorf("%q at %q is %v; want %v", c.after, c.date, got, c.want)
		}
	}
}

type idle struct {
	base
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestIdleConnections(t *testing.T) {
	i := &idle{}
	tr := line(nil)
	tr.base = i
	(&Repository{line: tr}).Close()
	if i.closed != 1 {
		t.Errorf("closed %d times", i.closed)
	}
	tr.base = base(nil)
	tr.close() // none to be closed
}

func repository(t *testing.T, o Options, b base) *Repository {
	t.Helper()
	r := prepare(reference.Name{Registry: "registry.example", Repository: "x", Tag: "1"}, o, &login{host: "registry.example", files: []string{"F"}, Credential: auth.Credential{Username: "me", Password: "secret"}})
	r.line.base = b
	return r
}

func TestPrepare(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		host  string
		plain *bool
		want  string
	}{
		{"registry.example", nil, "https"},
		{"registry.example", &yes, "http"},
		{"registry.example", &no, "https"},
		{"localhost:5000", nil, "http"},
		{"127.0.0.1", nil, "http"},
		{"[::1]:5", nil, "http"},
		{"127.0.0.1:5", &no, "https"},
		{"localhost.example", nil, "https"},
		{"10.0.0.1:80", nil, "https"},
		{"[::]:80", nil, "https"},
	} {
		r := prepare(reference.Name{Registry: c.host, Repository: "x"}, Options{PlainHTTP: c.plain}, &login{})
		if r.base != c.want+"://"+c.host+"/v2/x" || r.repo.PlainHTTP != (c.want == "http") {
			t.Errorf("%s: %s, plain %v", c.host, r.base, r.repo.PlainHTTP)
		}
	}
	for _, c := range []struct{ given, stall, patience time.Duration }{{0, DefaultStall, DefaultPatience}, {-1, DefaultStall, DefaultPatience}, {1, 1, 1}} {
		r := prepare(reference.Name{Registry: "r.example"}, Options{Stall: c.given, Patience: c.given}, &login{})
		if r.line.stall != c.stall || r.line.patience != c.patience {
			t.Errorf("%v: stall %v, patience %v", c.given, r.line.stall, r.line.patience)
		}
	}
	if _, err := Open(reference.Name{Registry: "a b", Repository: "x"}, Options{AuthFile: imagetest.NoAuth(t)}); err == nil || !strings.HasPrefix(err.Error(), "image ") {
		t.Errorf("a name that is none: %v", err)
	}
	if _, err := Open(reference.Name{Registry: "r.example", Repository: "x", Tag: "1"}, Options{AuthFile: "/none/x"}); err == nil || !strings.HasPrefix(err.Error(), "read credentials: ") {
		t.Errorf("credentials that are not there: %v", err)
	}
}

// A redirect is followed ten times at most, and never out of an encrypted connection.
func TestRedirects(t *testing.T) {
	to := func(url string) *http.Request {
		req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	safe, plain := to("https://a.example/x"), to("http://b.example/x")
	for _, c := range []struct {
		to   *http.Request
		via  []*http.Request
		want string
	}{
		{safe, []*http.Request{safe}, ""},
		{plain, []*http.Request{plain}, ""},
		{safe, []*http.Request{plain}, ""},
		{plain, []*http.Request{safe}, "it redirects from https to http://b.example/x"},
		{plain, []*http.Request{plain, safe, plain}, "it redirects from https"},
		{to("http://u:secret@b.example/x"), []*http.Request{safe}, "to http://u:xxxxx@b.example/x"},
		{safe, slices.Repeat([]*http.Request{safe}, 9), ""},
		{safe, slices.Repeat([]*http.Request{safe}, 10), "more than 10 redirects"},
	} {
		err := checkRedirect(c.to, c.via)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s after %d: %v; want %q", c.to.URL, len(c.via), err, c.want)
		}
	}
}

// What is sent: who we are, what for, and that content comes as it is stored.
func TestSend(t *testing.T) {
	var asked []*http.Request
	r := repository(t, Options{}, func(req *http.Request) (*http.Response, error) {
		asked = append(asked, req)
		if req.URL.Host == "auth.example" {
			resp := answerTo(req, 200)
			resp.Body = io.NopCloser(strings.NewReader(`{"token":"t"}`))
			return resp, nil
		}
		if req.Header.Get("Authorization") == "" {
			return answerTo(req, 401, "WWW-Authenticate", `Bearer realm="https://auth.example/token",service="s"`), nil
		}
		return answerTo(req, 200), nil
	})
	r.login.Credential = auth.EmptyCredential
	resp, err := r.send(t.Context(), http.MethodGet, "/a", map[string]string{"Accept": "b"}, 200, 404)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(asked) != 3 {
		t.Fatalf("%d requests", len(asked))
	}
	last := asked[2]
	if last.URL.String() != "https://registry.example/v2/x/a" || last.Header.Get("Accept-Encoding") != "identity" || last.Header.Get("Accept") != "b" || last.Header.Get("User-Agent") != "runcell" || last.Header.Get("Authorization") != "Bearer t" {
		t.Errorf("it asks for %s with %v", last.URL, last.Header)
	}
	if got := asked[1].URL.Query(); got.Get("scope") != "repository:x:pull" || got.Get("service") != "s" {
		t.Errorf("the token is for %v", got)
	}
	if !r.login.given() {
		t.Error("nobody asked who we are")
	}
	if _, err := r.send(t.Context(), http.MethodGet, "/a", nil, 404); err == nil || err.Error() != "https://registry.example/v2/x/a: 200 OK" || !backoff.IsFinal(err) {
		t.Errorf("another answer than wanted: %v", err)
	}
	asked = nil
	whole := prepare(reference.Name{Registry: "registry.example"}, Options{}, &login{})
	whole.line.base = r.line.base
	if resp, err := whole.send(t.Context(), http.MethodGet, "", nil, 200); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); len(asked) != 3 || asked[1].URL.Query().Has("scope") {
		t.Errorf("the registry as a whole: %d requests", len(asked))
	}
}

// What is said of a refusal.
func TestRefusals(t *testing.T) {
	const where = "https://registry.example/v2/x/a: "
	for _, c := range []struct {
		status int
		header []string
		body   string
		typed  bool
		plain  bool
		want   string
	}{
		{404, nil, "", false, false, where + "404 Not Found"},
		{401, nil, "", false, false, where + "401 Unauthorized: the registry refuses or has no such repository; there are no credentials for it in F"},
		{403, nil, "", false, false, where + "403 Forbidden: the registry refuses or has no such repository; there are no credentials for it in F"},
		{401, nil, "", true, false, where + "401 Unauthorized: the user name or the password is wrong, or may not come in"},
		{403, nil, "", true, false, where + "403 Forbidden: the user name or the password is wrong, or may not come in"},
		{404, nil, "", true, false, where + "404 Not Found"},
		{400, nil, "Client sent an HTTP request to an HTTPS server.\n", false, true, "http" + where[5:] + "400 Bad Request: it may talk TLS: give --plain-http=false"},
		{400, nil, "<center>The plain HTTP request was sent to HTTPS port</center>", false, true, "http" + where[5:] + "400 Bad Request: it may talk TLS: give --plain-http=false"},
		{400, nil, "Client sent an HTTP request to an HTTPS server.\n", false, false, where + "400 Bad Request"},
		{400, nil, "bad", false, true, "http" + where[5:] + "400 Bad Request"},
		{404, nil, "Client sent an HTTP request to an HTTPS server.\n", false, true, "http" + where[5:] + "404 Not Found"},
		{503, nil, "", false, false, where + "503 Service Unavailable"},
		{503, []string{"Retry-After", "90"}, "", false, false, where + "503 Service Unavailable: it asks to come back in 1m30s"},
		{404, []string{"Retry-After", "90"}, "", false, false, where + "404 Not Found"},
	} {
		r := repository(t, Options{PlainHTTP: &c.plain}, nil)
		r.login.Credential, r.login.typed = auth.EmptyCredential, c.typed
		resp := answerTo(nil, c.status, c.header...)
		resp.Body = io.NopCloser(strings.NewReader(c.body))
		err := r.refused("/a", resp)
		if !strings.HasPrefix(err.Error(), c.want) || strings.Count(err.Error(), ":") != strings.Count(c.want, ":") && c.status != 401 && c.status != 403 || !backoff.IsFinal(err) {
			t.Errorf("%d: %v; want %s", c.status, err, c.want)
		}
		if isMissing(err) != slices.Contains([]int{404, 405, 501}, c.status) {
			t.Errorf("%d is missing: %v", c.status, isMissing(err))
		}
	}
	for status, want := range map[int]bool{404: true, 405: true, 501: true, 400: false, 403: false, 500: false} {
		if isMissing(fmt.Errorf("x: %w", &refusal{status, ""})) != want {
			t.Errorf("%d is missing: %v", status, !want)
		}
	}
	if isMissing(nil) || isMissing(io.EOF) {
		t.Error("what is no refusal is missing")
	}
}

// What a user can do about an error.
func TestExplain(t *testing.T) {
	some := errors.New("some")
	header := tls.RecordHeaderError{Msg: "x", RecordHeader: [5]byte([]byte("HTTP/"))}
	for name, c := range map[string]struct {
		err   error
		plain bool
		want  string
		final bool
	}{
		"nothing":              {nil, false, "", false},
		"something":            {some, false, "some", true},
		"a broken line":        {io.EOF, false, "EOF", false},
		"later":                {backoff.Later{Err: some}, false, "some", false},
		"no credentials":       {fmt.Errorf("x: %w", auth.ErrBasicCredentialNotFound), false, "the registry registry.example asks who you are; there are no credentials for it in F: log in", true},
		"401":                  {fmt.Errorf("x: %w", &errcode.ErrorResponse{StatusCode: 401}), false, "401: Unauthorized; there are no credentials for it in F", true},
		"403":                  {&errcode.ErrorResponse{StatusCode: 403}, false, "403: Forbidden; there are no credentials for it in F", true},
		"404":                  {&errcode.ErrorResponse{StatusCode: 404}, false, "404: Not Found", true},
		"no TLS":               {header, false, "give --plain-http if nobody else can read or change what the network carries", true},
		"something else":       {tls.RecordHeaderError{Msg: "x", RecordHeader: [5]byte([]byte("SSH-2"))}, false, "tls: x", true},
		"TLS where none is":    {errors.New("malformed HTTP response \"\\x15\""), true, "\": it may talk TLS: give --plain-http=false", true},
		"garbage over TLS":     {errors.New("malformed HTTP response \"\\x15\""), false, "malformed HTTP response \"\\x15\"", true},
		"something over plain": {some, true, "some", true},
	} {
		r := repository(t, Options{PlainHTTP: &c.plain}, nil)
		r.login.Credential = auth.EmptyCredential
		err := r.explain(c.err)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		ends := strings.Contains(c.want, " F") || strings.HasSuffix(err.Error(), c.want)
		if !strings.Contains(err.Error(), c.want) || !ends || backoff.IsFinal(err) != c.final {
			t.Errorf("%s: %v, final: %v; want %s, %v", name, err, backoff.IsFinal(err), c.want, c.final)
		}
	}
}
