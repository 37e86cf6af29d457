package registry

// What a registry says that it gives, and what it gives: documents, blobs and
// signatures, from a registry in memory.

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// said is an answer.
type said struct {
	status int // 0: 200
	header map[string]string
	body   string
	length int64 // of the body, if it is not 0: -1: unknown
}

// memory is a registry: answers by path below the repository. What is not there is
// 404.
type memory struct {
	answers map[string]said
	asked   []string // method, path and range
}

func (m *memory) source(t *testing.T) Source {
	t.Helper()
	imagetest.NoWaiting(t, new([]time.Duration))
	return Source{Repository: repository(t, Options{}, m.answer), Ctx: t.Context()}
}

func (m *memory) answer(req *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(req.URL.RequestURI(), "/v2/x")
	m.asked = append(m.asked, strings.TrimSpace(req.Method+" "+path+" "+req.Header.Get("Range")))
	a, there := m.answers[strings.TrimSpace(req.Method+" "+path+" "+req.Header.Get("Range"))]
	if !there {
		if a, there = m.answers[path]; !there {
			return answerTo(req, http.StatusNotFound), nil
		}
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	var header []string
	for k, v := range a.header {
		header = append(header, k, v)
	}
	resp := answerTo(req, a.status, header...)
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(a.body)), int64(len(a.body))
	if a.length != 0 {
		resp.ContentLength = a.length
	}
	return resp, nil
}

func (m *memory) put(d v1.Descriptor, data []byte) v1.Descriptor {
	kind := "/blobs/"
	if slices.Contains(manifest.Types, d.MediaType) {
		kind = "/manifests/"
	}
	m.answers[kind+string(d.Digest)] = said{header: map[string]string{"Content-Type": d.MediaType}, body: string(data)}
	return d
}

func (m *memory) add(mediaType string, v any) v1.Descriptor {
	data, isText := v.([]byte)
	if !isText {
		var err error
		if data, err = json.Marshal(v); err != nil {
			panic(err)
		}
	}
	return m.put(v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, data)
}

func newMemory() *memory { return &memory{answers: map[string]said{}} }

func matches(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), want)
}

const (
	someManifest = `{"schemaVersion":2,"config":{},"layers":[]}`
	someIndex    = `{"schemaVersion":2,"manifests":[]}`
)

func TestDescribe(t *testing.T) {
	sum := digest.FromString(someManifest)
	for name, c := range map[string]struct {
		mediaType, said, data string
		want                  digest.Digest
		err                   string
		mismatch              bool
	}{
		"a manifest":             {v1.MediaTypeImageManifest, "", someManifest, "", "", false},
		"an index":               {v1.MediaTypeImageIndex, "", someIndex, "", "", false},
		"Docker's manifest":      {manifest.MediaTypeDockerManifest, "", someManifest, "", "", false},
		"Docker's index":         {manifest.MediaTypeDockerIndex + "; charset=utf-8", "", someIndex, "", "", false},
		"as it is said":          {v1.MediaTypeImageManifest, string(sum), someManifest, "", "", false},
		"as it is wanted":        {v1.MediaTypeImageManifest, "sha256:ignored", someManifest, sum, "", false},
		"by sha512":              {v1.MediaTypeImageManifest, string(digest.SHA512.FromString(someManifest)), someManifest, "", "", false},
		"not as it is said":      {v1.MediaTypeImageManifest, string(digest.FromString("")), someManifest, "", "its digest is " + string(sum) + ", not ", true},
		"not as it is wanted":    {v1.MediaTypeImageManifest, string(sum), someManifest, digest.FromString(""), "its digest is " + string(sum) + ", not ", true},
		"said to be a path":      {v1.MediaTypeImageManifest, "sha256:../x", someManifest, "", "malformed digest", false},
		"no type":                {"", "", someManifest, "", `Content-Type "": `, false},
		"a type that is none":    {"/", "", someManifest, "", `Content-Type "/": `, false},
		"another type":           {"text/html", "", someManifest, "", `type "text/html": neither an image nor an index of images`, false},
		"a manifest as index":    {v1.MediaTypeImageIndex, "", someManifest, "", `no member "manifests"`, false},
		"a manifest as Docker's": {manifest.MediaTypeDockerIndex, "", someManifest, "", `no member "manifests"`, false},
		"an index as manifest":   {v1.MediaTypeImageManifest, "", someIndex, "", `no member "config"`, false},
		"an index as Docker's":   {manifest.MediaTypeDockerManifest, "", someIndex, "", `no member "config"`, false},
	} {
		h := http.Header{}
		for k, v := range map[string]string{"Content-Type": c.mediaType, "Docker-Content-Digest": c.said} {
			if v != "" {
				h.Set(k, v)
			}
		}
		d, err := describe(h, []byte(c.data), c.want)
		if !matches(err, c.err) || errors.Is(err, verify.ErrMismatch) != c.mismatch {
			t.Errorf("%s: error is %v; want %q", name, err, c.err)
		}
		want := c.want
		if want == "" {
			want = digest.FromString(c.data)
		}
		if strings.HasPrefix(c.said, "sha512:") {
			want = digest.Digest(c.said)
		}
		mediaType, _, _ := strings.Cut(c.mediaType, ";")
		if err == nil && (d.Digest != want || d.MediaType != mediaType || d.Size != int64(len(c.data))) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestResolveAndAsk(t *testing.T) {
	m := newMemory()
	d := m.add(v1.MediaTypeImageManifest, []byte(someManifest))
	m.answers["/manifests/1"] = m.answers["/manifests/"+string(d.Digest)]
	r := m.source(t)
	if got, data, err := r.Resolve(t.Context()); err != nil || got.Digest != d.Digest || string(data) != someManifest {
		t.Errorf("by tag: %v, %s, %v", got, data, err)
	}
	r.name.Digest = d.Digest
	if got, _, err := r.Resolve(t.Context()); err != nil || got.Digest != d.Digest || m.asked[1] != "GET /manifests/"+string(d.Digest) {
		t.Errorf("by digest: %v, %v, asked %q", got, err, m.asked)
	}
	r.name.Digest = digest.FromString("")
	m.answers["/manifests/"+string(r.name.Digest)] = m.answers["/manifests/1"]
	if _, data, err := r.Resolve(t.Context()); !errors.Is(err, verify.ErrMismatch) || data != nil || !strings.HasPrefix(err.Error(), "https://registry.example/v2/x/manifests/sha256:") {
		t.Errorf("another one: %s, %v", data, err)
	}
	r.name.Digest = ""
	for name, c := range map[string]struct {
		said  said
		want  digest.Digest
		index bool
		err   string
	}{
		"a manifest":        {said{header: map[string]string{"Content-Type": v1.MediaTypeImageManifest, "Docker-Content-Digest": string(d.Digest)}}, d.Digest, false, ""},
		"an index":          {said{header: map[string]string{"Content-Type": v1.MediaTypeImageIndex}}, "", true, ""},
		"a digest, no type": {said{header: map[string]string{"Docker-Content-Digest": "sha256:x"}}, "", false, ""},
		"none":              {said{status: 404, header: map[string]string{"Content-Type": v1.MediaTypeImageIndex, "Docker-Content-Digest": string(d.Digest)}}, "", false, ""},
		"no such method":    {said{status: 405}, "", false, ""},
		"refused":           {said{status: 403}, "", false, "403 Forbidden"},
	} {
		m.answers["/manifests/1"] = c.said
		got, err := r.Ask(t.Context())
		if !matches(err, c.err) || got != c.want {
			t.Errorf("%s: %s, %v; want %s, %q", name, got, err, c.want, c.err)
		}
		if index, err := r.HasIndex(t.Context()); !matches(err, c.err) || index != c.index {
			t.Errorf("%s: an index: %v, %v", name, index, err)
		}
	}
}

// A document is at most as large as one may be, and is as its descriptor says.
func TestReadBlob(t *testing.T) {
	m := newMemory()
	most := []byte(`{"schemaVersion":2,"config":{},"layers":[]` + strings.Repeat(" ", image.MaxJSON-len(someManifest)) + "}")
	full, large := m.add(v1.MediaTypeImageManifest, most), m.add(v1.MediaTypeImageManifest, append(slices.Clone(most), ' '))
	config := m.add(v1.MediaTypeImageConfig, []byte("{}"))
	index, docker := m.add(v1.MediaTypeImageIndex, []byte(someIndex)), m.add(manifest.MediaTypeDockerManifest, []byte(someManifest))
	lie := v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromString("other"), Size: 2}
	m.answers["/blobs/"+string(lie.Digest)] = said{body: "{}"}
	with := func(d v1.Descriptor, mediaType string, size int64) v1.Descriptor {
		d.MediaType, d.Size = mediaType, size
		return d
	}
	for name, c := range map[string]struct {
		d        v1.Descriptor
		err      string
		mismatch bool
		requests int
	}{
		"a manifest":          {full, "", false, 1},
		"a large one":         {with(large, large.MediaType, image.MaxJSON), "more than 4194304 bytes", false, 1},
		"a config":            {config, "", false, 1},
		"an index":            {index, "", false, 1},
		"Docker's":            {docker, "", false, 1},
		"of another type":     {with(docker, v1.MediaTypeImageManifest, docker.Size), "the registry has 43 bytes of type", true, 1},
		"of another size":     {with(docker, docker.MediaType, docker.Size+1), "its descriptor says 44 of", true, 1},
		"a config, too short": {with(config, config.MediaType, 3), "", true, 1},
		"a config, too long":  {with(config, config.MediaType, 1), "", true, 1},
		"other content":       {lie, "its digest is", true, 1},
		"not there":           {with(lie, v1.MediaTypeImageManifest, 2), "404 Not Found", false, 1},
		"a size below 0":      {with(config, config.MediaType, -1), "size -1", false, 0},
		"a size above all":    {with(full, full.MediaType, image.MaxJSON+1), "a document has at most", false, 0},
		"a digest with a way": {v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: "sha256:../../y", Size: 2}, "malformed digest", false, 0},
		"a manifest's way":    {v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: "sha256:../../y", Size: 2}, "malformed digest", false, 0},
	} {
		m.asked = nil
		r := m.source(t)
		data, err := r.ReadBlob(c.d)
		if !matches(err, c.err) && (c.err != "" || !c.mismatch) || errors.Is(err, verify.ErrMismatch) != c.mismatch || len(m.asked) != c.requests || err == nil && digest.FromBytes(data) != c.d.Digest {
			t.Errorf("%s: %d bytes, %v, asked %q; want %q", name, len(data), err, m.asked, c.err)
		}
	}
}

// Blobs come from the offset on that is wanted, whatever the registry makes of a
// range.
func TestOpenBlob(t *testing.T) {
	const content = "0123456789"
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString(content), Size: 10}
	path := "/blobs/" + string(d.Digest)
	part := func(text, contentRange string, length int64) said {
		return said{status: 206, header: map[string]string{"Content-Range": contentRange}, body: text, length: length}
	}
	for name, c := range map[string]struct {
		offset   int64
		part     said // to a range
		whole    said
		want     string
		err      string
		requests int
	}{
		"all of it":             {0, said{status: 500}, said{body: content}, content, "", 1},
		"a part":                {4, part("456789", "bytes 4-9/10", 0), said{}, "456789", "", 1},
		"a part, of any size":   {4, part("456789", "bytes 4-9/*", -1), said{}, "456789", "", 1},
		"the whole":             {4, said{body: content}, said{}, "456789", "", 1},
		"the whole, unknown":    {4, said{body: content, length: -1}, said{}, "456789", "", 1},
		"no part":               {4, said{status: 416}, said{body: content}, "456789", "", 2},
		"another part":          {4, part("567890", "bytes 5-10/10", 0), said{body: content}, "456789", "", 2},
		"of another blob":       {4, part("456789", "bytes 4-9/11", 0), said{body: content}, "456789", "", 2},
		"too little":            {4, part("45", "bytes 4-9/10", 0), said{body: content}, "456789", "", 2},
		"no range":              {4, part("456789", "", 0), said{body: content}, "456789", "", 2},
		"nothing of it":         {4, part("", "bytes 4-9/10", 0), said{body: content}, "456789", "", 2},
		"nothing at all":        {0, said{}, said{}, "", "the registry sends 0 bytes, the descriptor says 10", 1},
		"too much":              {0, said{}, said{body: content + "x"}, "", "the registry sends 11 bytes, the descriptor says 10", 1},
		"the whole, too little": {4, said{body: "0123"}, said{}, "", "the registry sends 4 bytes, the descriptor says 10", 1},
		"ends early":            {4, said{body: "01", length: -1}, said{}, "", "EOF", 1},
		"unasked":               {0, said{}, part("456789", "bytes 4-9/10", 0), "", "206 Partial Content", 1},
		"unasked, none":         {0, said{}, said{status: 416}, "", "416", 1},
		"not there":             {4, said{status: 404}, said{body: content}, "", "404 Not Found", 1},
		"twice no part":         {4, said{status: 416}, said{status: 416}, "", "416", 2},
	} {
		m := &memory{answers: map[string]said{"GET " + path: c.whole, fmt.Sprintf("GET %s bytes=%d-", path, c.offset): c.part}}
		body, err := m.source(t).Open(t.Context(), d, c.offset)
		got := ""
		if err == nil {
			data, e := io.ReadAll(body)
			got, err = string(data), errors.Join(e, body.Close())
		}
		if !matches(err, c.err) || got != c.want || len(m.asked) != c.requests {
			t.Errorf("%s: %q, %v, asked %q; want %q, %q", name, got, err, m.asked, c.want, c.err)
		}
	}
	m := newMemory()
	doc := m.add(v1.MediaTypeImageManifest, []byte(someManifest))
	body, err := m.source(t).Open(t.Context(), doc, 5)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(body); string(data) != someManifest[5:] || err != nil || !slices.Equal(m.asked, []string{"GET /manifests/" + string(doc.Digest)}) {
		t.Errorf("a document: %s, %v, asked %q", data, err, m.asked)
	}
	for _, mediaType := range []string{v1.MediaTypeImageLayer, v1.MediaTypeImageManifest} {
		m := newMemory()
		if _, err := m.source(t).Open(t.Context(), v1.Descriptor{MediaType: mediaType, Digest: "sha256:../../y", Size: 1}, 0); !matches(err, "malformed digest") || len(m.asked) > 0 {
			t.Errorf("a digest with a way: %v, asked %q", err, m.asked)
		}
	}
}

const (
	payloadType  = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureKey = "dev.cosignproject.cosign/signature"
)

// signatures makes an artifact with these payloads; an empty one is not there.
func (m *memory) signatures(payloads ...string) v1.Descriptor {
	list := []v1.Descriptor{}
	for i, p := range payloads {
		d := v1.Descriptor{MediaType: payloadType, Digest: digest.FromString(p), Size: int64(len(p)), Annotations: map[string]string{signatureKey: base64.StdEncoding.EncodeToString([]byte{byte(i)})}}
		if p != "" {
			m.put(d, []byte(p))
		}
		list = append(list, d)
	}
	d := m.add(v1.MediaTypeImageManifest, v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest, Config: v1.Descriptor{}, Layers: list})
	d.ArtifactType = trust.ArtifactType
	return d
}

func TestSignatures(t *testing.T) {
	sum := digest.FromString("image")
	tag, fallback, list := "/manifests/"+trust.Tag(sum), "/manifests/"+trust.ReferrersTag(sum), "/referrers/"+string(sum)+"?artifactType="+trust.ArtifactType
	at := func(m *memory, path string, d v1.Descriptor) {
		m.answers[path] = m.answers["/manifests/"+string(d.Digest)]
	}
	refer := func(m *memory, path string, to ...v1.Descriptor) {
		d := m.add(v1.MediaTypeImageIndex, v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex, Manifests: to})
		at(m, path, d)
	}
	bad := said{status: 403}
	for name, c := range map[string]struct {
		make func(m *memory)
		stop string // the payload after which no other is wanted
		want string
		err  string
		not  string // is not asked for
	}{
		"none":             {func(*memory) {}, "", "", "", ""},
		"by tag":           {func(m *memory) { at(m, tag, m.signatures("a", "b", "a")) }, "", "a0 b1 a2", "", ""},
		"until one is":     {func(m *memory) { at(m, tag, m.signatures("a", "b")); refer(m, list, m.signatures("c")) }, "a", "a0", "", list},
		"by referrers":     {func(m *memory) { refer(m, list, m.signatures("a"), m.signatures("b")) }, "", "a0 b0", "", fallback},
		"both":             {func(m *memory) { at(m, tag, m.signatures("a")); refer(m, list, m.signatures("b")) }, "", "a0 b0", "", ""},
		"the first of two": {func(m *memory) { refer(m, list, m.signatures("a"), m.signatures("b")) }, "a", "a0", "", "/blobs/" + string(digest.FromString("b"))},
		"by their tag":     {func(m *memory) { refer(m, fallback, m.signatures("a")) }, "", "a0", "", ""},
		"no such kind":     {func(m *memory) { m.answers[list] = said{status: 501}; refer(m, fallback, m.signatures("a")) }, "", "a0", "", ""},
		"not another kind": {func(m *memory) {
			d := m.signatures("a")
			d.ArtifactType = "text/plain"
			refer(m, list, d, m.signatures("b"))
		}, "", "b0", "", ""},
		"a digest with a way": {func(m *memory) {
			refer(m, list, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, ArtifactType: trust.ArtifactType, Digest: "sha256:../../y", Size: 1}, m.signatures("b"))
		}, "", "b0", "", "/y"},
		"one that is gone": {func(m *memory) {
			d := m.signatures("a")
			delete(m.answers, "/manifests/"+string(d.Digest))
			refer(m, list, d, m.signatures("b"))
		}, "", "b0", "", ""},
		"one that is another": {func(m *memory) {
			d := m.signatures("a")
			m.answers["/manifests/"+string(d.Digest)] = m.answers["/manifests/"+string(m.signatures("c").Digest)]
			refer(m, list, d, m.signatures("b"))
		}, "", "b0", "", ""},
		"a payload that is gone": {func(m *memory) { at(m, tag, m.signatures("", "b", "")) }, "", "b1", "", ""},
		"an index":               {func(m *memory) { refer(m, tag); refer(m, list, m.signatures("b")) }, "", "b0", "", ""},
		"the tag refused":        {func(m *memory) { m.answers[tag] = bad; refer(m, list, m.signatures("b")) }, "", "", "403 Forbidden", list},
		"the list refused":       {func(m *memory) { m.answers[list] = bad; refer(m, fallback, m.signatures("b")) }, "", "", "403 Forbidden", fallback},
		"their tag refused":      {func(m *memory) { m.answers[fallback] = bad }, "", "", "403 Forbidden", ""},
		"one refused": {func(m *memory) {
			d := m.signatures("a")
			m.answers["/manifests/"+string(d.Digest)] = bad
			refer(m, list, d, m.signatures("b"))
		}, "", "", "403 Forbidden", "/manifests/" + string(newMemory().signatures("b").Digest)},
		"a payload refused": {func(m *memory) {
			at(m, tag, m.signatures("a", "b"))
			m.answers["/blobs/"+string(digest.FromString("a"))] = bad
			refer(m, list, m.signatures("c"))
		}, "", "", "403 Forbidden", list},
		"a payload refused, in the list": {func(m *memory) {
			refer(m, list, m.signatures("a"), m.signatures("c"))
			m.answers["/blobs/"+string(digest.FromString("a"))] = bad
		}, "", "", "403 Forbidden", "/blobs/" + string(digest.FromString("c"))},
		"a payload that is another": {func(m *memory) {
			at(m, tag, m.signatures("a"))
			m.answers["/blobs/"+string(digest.FromString("a"))] = said{body: "b"}
		}, "", "", "its digest is", ""},
		"a list that is none": {func(m *memory) { m.answers[list] = said{body: someManifest} }, "", "", `no member "manifests"`, ""},
		"a lie": {func(m *memory) {
			m.answers[tag] = said{header: map[string]string{"Content-Type": v1.MediaTypeImageManifest}, body: someIndex}
		}, "", "", `no member "config"`, list},
		"many": {func(m *memory) {
			var all []v1.Descriptor
			for i := range maxArtifacts + 1 {
				all = append(all, m.signatures(string(rune('a'+i))))
			}
			refer(m, list, all...)
		}, "", "a0 b0 c0 d0 e0 f0 g0 h0 i0 j0 k0 l0 m0 n0 o0 p0", "", ""},
	} {
		m := newMemory()
		c.make(m)
		var got []string
		err := m.source(t).Signatures(t.Context(), sum, func(s trust.Signature) bool {
			got = append(got, string(s.Payload)+fmt.Sprint(s.Value[0]))
			return string(s.Payload) == c.stop
		})
		if !matches(err, c.err) || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %s, %q", name, got, err, c.want, c.err)
		}
		if c.not != "" && slices.ContainsFunc(m.asked, func(s string) bool { return strings.HasSuffix(s, c.not) }) {
			t.Errorf("%s: it asks for %s", name, c.not)
		}
		if asked := slices.Sorted(slices.Values(m.asked)); len(slices.Compact(slices.Clone(asked))) != len(asked) {
			t.Errorf("%s: it asks twice: %q", name, asked)
		}
	}
	m := newMemory()
	if got, err := m.source(t).SignatureManifest(t.Context(), sum); got != nil || err != nil {
		t.Errorf("no signatures: %v, %v", got, err)
	}
	m.answers[tag] = bad
	if got, err := m.source(t).SignatureManifest(t.Context(), sum); got != nil || !matches(err, "403") {
		t.Errorf("refused: %v, %v", got, err)
	}
	at(m, tag, m.signatures("a", "b"))
	if got, err := m.source(t).SignatureManifest(t.Context(), sum); err != nil || len(got.Layers) != 2 {
		t.Errorf("two signatures: %v, %v", got, err)
	}
}
