package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A line is long for what is sent and for what comes back, hands all of it on,
// and ends with its ends.
func TestFarServer(t *testing.T) {
	const long = 100 * time.Millisecond
	large := strings.Repeat("0123456789", 100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(w, "%d %s", len(body), large)
	}))
	defer server.Close()
	far, err := newFarServer(strings.TrimPrefix(server.URL, "http://"), long)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	for i, least := range []time.Duration{2 * long, long} { // a connection, and its second request
		began := time.Now()
		answer, err := client.Post("http://"+far.addr(), "text/plain", strings.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if want := fmt.Sprintf("%d %s", len(large), large); err != nil || string(text) != want {
			t.Errorf("request %d: %d bytes, %v; want %d", i, len(text), err, len(want))
		}
		if took := time.Since(began); took < least {
			t.Errorf("request %d took %v; want %v at least", i, took, least)
		}
	}
	client.CloseIdleConnections()
	if err := far.stop(); err != nil {
		t.Error(err)
	}
}

// The two images differ in the last layer and nowhere else.
func TestMakeTwins(t *testing.T) {
	dir := t.TempDir()
	images, err := makeTwins(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	var layers [2][]v1.Descriptor
	for i, tag := range []string{farTag, changedTag} {
		var m v1.Manifest
		if err := readJSON(blobPath(dir+"/gzip", images[tag].Digest), &m); err != nil {
			t.Fatal(err)
		}
		layers[i] = m.Layers
	}
	same := func(a, b v1.Descriptor) bool { return a.Digest == b.Digest }
	if len(layers[0]) != farLayers || !slices.EqualFunc(layers[0][:farLayers-1], layers[1][:farLayers-1], same) || same(layers[0][farLayers-1], layers[1][farLayers-1]) {
		t.Errorf("the layers are %v and %v", layers[0], layers[1])
	}
}
