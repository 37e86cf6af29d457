package registry

import (
	"net"
	"net/http"
	"testing"
)

type lookups struct{ made int }

func (l *lookups) RoundTrip(*http.Request) (*http.Response, error) {
	l.made++
	return nil, &net.DNSError{Err: "server misbehaving", Name: "no-such-host.example", IsTemporary: true}
}

// A host whose name can't be found is told at once: who misspelt it reads one line.
func TestUnknownHost(t *testing.T) {
	l := &lookups{}
	tr := newTransport(Options{Stall: DefaultStall, Tell: func(err error) { t.Errorf("tried again: %v", err) }})
	tr.base = l
	req, err := http.NewRequest(http.MethodGet, "https://no-such-host.example/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := tr.RoundTrip(req); err == nil || l.made != 1 {
		t.Errorf("%v, %v after %d attempts; want an error after one", resp, err, l.made)
	}
}
