package trust

// Keys and signatures that openssl, signify and minisign made, and what is wrong
// with others. testdata/ has them: payload.json, for each key its signature of it.

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func key(tb testing.TB, name string) *Key {
	tb.Helper()
	k, err := ParseKey(name, read(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// fixture is a signature of payload.json.
func fixture(tb testing.TB, name string) Signature {
	tb.Helper()
	value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(read(tb, name))))
	if err != nil {
		tb.Fatal(err)
	}
	return Signature{read(tb, "payload.json"), value}
}

var signed = digest.FromString("image")

// pairs are the keys, and the signatures that are theirs.
var pairs = []struct{ key, signature string }{
	{"ecdsa.pub", "ecdsa.sig"},
	{"ed25519.pub", "ed25519.sig"},
	{"rsa.pub", "rsa.sig"},
	{"signify.pub", "signify.sig"},
	{"minisign.pub", "minisign.sig"},
	{"minisign.pub", "minisign-legacy.sig"},
}

func TestSignaturesOfOthers(t *testing.T) {
	for _, p := range pairs {
		for _, other := range pairs {
			err := fixture(t, other.signature).verify(key(t, p.key), signed)
			if mine := p.key == other.key; mine != (err == nil) || !mine && !errors.Is(err, errNoSignature) {
				t.Errorf("%s with %s: %v", other.signature, p.key, err)
			}
		}
		k, s := key(t, p.key), fixture(t, p.signature)
		for i := range s.Value { // every byte counts
			bad := Signature{s.Payload, slices.Clone(s.Value)}
			bad.Value[i] ^= 1
			if bad.verify(k, signed) == nil {
				t.Errorf("%s with byte %d changed was accepted", p.signature, i)
			}
		}
		for _, bad := range [][]byte{nil, s.Value[1:], append(slices.Clone(s.Value), 0), make([]byte, 64), make([]byte, 74)} {
			if (Signature{s.Payload, bad}).verify(k, signed) == nil {
				t.Errorf("%s: a signature of %d bytes was accepted", p.key, len(bad))
			}
		}
		if err := s.verify(k, digest.FromString("another")); err == nil || !strings.Contains(err.Error(), "it signs "+string(signed)) {
			t.Errorf("%s for another image: %v", p.signature, err)
		}
		if (Signature{append(slices.Clone(s.Payload), ' '), s.Value}).verify(k, signed) == nil {
			t.Errorf("%s of another payload was accepted", p.signature)
		}
	}
}

func TestKeys(t *testing.T) {
	ec := string(read(t, "ecdsa.pub"))
	for text, want := range map[string]string{
		"":                                      "want a public key",
		"untrusted comment: x\n":                "want a public key",
		"untrusted comment: x\n%%%":             "base64",
		"untrusted comment: x\nRWQ=\nRWQ=":      "want a public key",
		string(read(t, "p384.pub")):             "want P-256",
		string(read(t, "rsa1024.pub")):          "1024 bits",
		string(read(t, "ed25519.key")):          "private key",
		string(read(t, "signify.sec")):          "want a public key",
		ec + ec:                                 "one block",
		strings.ReplaceAll(ec, "PUBLIC", "ODD"): "one block PUBLIC KEY",
		strings.Repeat("x", MaxKey+1):           "more than",
	} {
		if _, err := ParseKey("k", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseKey(%.40q) = %v; want %q", text, err, want)
		}
	}
}

// What we sign we accept, and so does whoever made the key: the signatures of
// Ed25519 are the same bytes.
func TestSign(t *testing.T) {
	for _, c := range []struct{ private, public, same string }{
		{"ecdsa.key", "ecdsa.pub", ""},
		{"rsa.key", "rsa.pub", "rsa.sig"},
		{"ed25519.key", "ed25519.pub", "ed25519.sig"},
		{"signify.sec", "signify.pub", "signify.sig"},
	} {
		s, err := ParseSigner(c.private, read(t, c.private))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Sign(signed, "registry.example.com/web")
		if err != nil || !bytes.Equal(got.Payload, read(t, "payload.json")) {
			t.Fatalf("%s: %s, %v", c.private, got.Payload, err)
		}
		if err := got.verify(key(t, c.public), signed); err != nil {
			t.Errorf("%s: %v", c.private, err)
		}
		if c.same != "" && !got.Equal(fixture(t, c.same)) {
			t.Errorf("%s signs otherwise than who made it", c.private)
		}
	}
	locked := read(t, "signify.sec")
	comment, line, _ := strings.Cut(string(locked), "\n")
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	change := func(i int) string {
		b := slices.Clone(raw)
		b[i]++
		return comment + "\n" + base64.StdEncoding.EncodeToString(b)
	}
	for text, want := range map[string]string{
		"":         "without a passphrase",
		change(7):  "passphrase",
		change(30): "damaged",
		change(60): "damaged",
		"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n": "only cosign reads",
		string(read(t, "ecdsa.pub")): "without a passphrase",
	} {
		if _, err := ParseSigner("k", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSigner(%.40q) = %v; want %q", text, err, want)
		}
	}
}

func TestPayloads(t *testing.T) {
	good := string(read(t, "payload.json"))
	for _, text := range []string{
		"", "{}", "[]", "null", good[1:], strings.Replace(good, payloadType, "atomic container signature", 1),
		strings.Replace(good, "sha256:", "sha256:../", 1), strings.Replace(good, "sha256:", "md5:", 1), strings.Repeat(" ", maxPayload) + good,
	} {
		if got, err := parsePayload([]byte(text)); err == nil {
			t.Errorf("parsePayload(%.40q) = %s; want an error", text, got)
		}
	}
}

// indexOf is an index that lists digests.
func indexOf(tb testing.TB, mediaType string, list ...digest.Digest) []byte {
	tb.Helper()
	x := v1.Index{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageIndex}
	for _, d := range list {
		x.Manifests = append(x.Manifests, v1.Descriptor{MediaType: mediaType, Digest: d, Size: 1})
	}
	data, err := json.Marshal(x)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// A signature of an index is one of the images that it lists, as images.
func TestEvidence(t *testing.T) {
	s, err := ParseSigner("k", read(t, "ed25519.key"))
	if err != nil {
		t.Fatal(err)
	}
	k := key(t, "ed25519.pub")
	sign := func(d digest.Digest) []Signature {
		sig, err := s.Sign(d, "")
		if err != nil {
			t.Fatal(err)
		}
		return []Signature{sig}
	}
	target, other := digest.FromString("target"), digest.FromString("other")
	inner := indexOf(t, v1.MediaTypeImageManifest, other, target)
	outer := indexOf(t, v1.MediaTypeImageIndex, digest.FromBytes(inner))
	asLayer := indexOf(t, v1.MediaTypeImageLayer, target)
	without := indexOf(t, v1.MediaTypeImageManifest, other)
	d := digest.FromBytes
	for name, c := range map[string]struct {
		e    Evidence
		want bool
	}{
		"itself":                  {Evidence{target, nil, sign(target)}, true},
		"its index":               {Evidence{d(inner), [][]byte{inner}, sign(d(inner))}, true},
		"an index of its index":   {Evidence{d(outer), [][]byte{outer, inner}, sign(d(outer))}, true},
		"another image":           {Evidence{other, nil, sign(other)}, false},
		"another image's":         {Evidence{target, nil, sign(other)}, false},
		"an index without it":     {Evidence{d(without), [][]byte{without}, sign(d(without))}, false},
		"an index that is not it": {Evidence{d(inner), [][]byte{without}, sign(d(inner))}, false},
		"a step left out":         {Evidence{d(outer), [][]byte{outer}, sign(d(outer))}, false},
		"no way":                  {Evidence{d(inner), nil, sign(d(inner))}, false},
		"as a layer":              {Evidence{d(asLayer), [][]byte{asLayer}, sign(d(asLayer))}, false},
		"no digest":               {Evidence{"x", nil, sign(target)}, false},
		"no signature":            {Evidence{target, nil, nil}, false},
	} {
		data, err := MarshalEvidence([]Evidence{c.e})
		if err != nil {
			t.Fatal(err)
		}
		list, err := ParseEvidence(data)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Demand{"somebody", []*Key{key(t, "rsa.pub"), k}}.Met(target, list)
		if (err == nil) != c.want || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := (Demand{By: "nobody"}).Met(target, list); err == nil {
			t.Errorf("%s: accepted without a key", name)
		}
	}
	both := Merge([]Evidence{{target, nil, sign(target)}, {other, nil, nil}}, []Evidence{{target, nil, sign(target)}})
	if len(both) != 2 || len(both[0].Signatures) != 1 {
		t.Errorf("Merge = %+v; want the same signature once", both)
	}
}

func TestIsSignature(t *testing.T) {
	for _, c := range []struct {
		d    v1.Descriptor
		want bool
	}{
		{v1.Descriptor{Annotations: map[string]string{v1.AnnotationRefName: "a/b:" + Tag(signed)}}, true},
		{v1.Descriptor{Annotations: map[string]string{v1.AnnotationRefName: Tag(signed)}}, true},
		{v1.Descriptor{Annotations: map[string]string{kindKey: kindSignatures, v1.AnnotationRefName: "a/b:1"}}, true},
		{v1.Descriptor{ArtifactType: ArtifactType}, true},
		{v1.Descriptor{Annotations: map[string]string{v1.AnnotationRefName: "a/sha.sig:1"}}, false},
		{v1.Descriptor{}, false},
	} {
		if got := IsSignature(c.d); got != c.want {
			t.Errorf("IsSignature(%+v) = %v", c.d, got)
		}
	}
}

// FuzzKey: whatever is parsed is a key that does not accept nonsense.
func FuzzKey(f *testing.F) {
	for _, p := range pairs {
		f.Add(read(f, p.key))
	}
	for _, name := range []string{"p384.pub", "rsa1024.pub", "signify.sec", "ecdsa.key"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := ParseKey("k", data); err == nil && (k.public == nil || k.verify(data, []byte("x")) == nil) {
			t.Fatalf("%q is a key that accepts anything", data)
		}
		if s, err := ParseSigner("k", data); err == nil {
			if _, err := s.Sign(signed, "x"); err != nil {
				t.Fatalf("%q can't sign: %v", data, err)
			}
		}
	})
}

// FuzzPayload: a digest that comes out can be a file's name.
func FuzzPayload(f *testing.F) {
	f.Add(read(f, "payload.json"))
	f.Add([]byte(`{"critical":{"image":{"Docker-Manifest-Digest":"sha256:x"},"type":"cosign container image signature"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parsePayload(data)
		if err == nil && (d.Validate() != nil || strings.ContainsAny(d.Encoded(), "./")) {
			t.Fatalf("%q signs %q", data, d)
		}
	})
}

// FuzzEvidence: what is kept proves nothing without a key's signature.
func FuzzEvidence(f *testing.F) {
	data, err := MarshalEvidence([]Evidence{{signed, [][]byte{indexOf(f, v1.MediaTypeImageManifest, signed)}, []Signature{fixture(f, "ecdsa.sig")}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`[{"signed":"sha256:x"}]`))
	k := key(f, "rsa.pub") // nobody has signed with it here
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseEvidence(data)
		if err != nil {
			return
		}
		if _, err := (Demand{"x", []*Key{k}}).Met(signed, list); err == nil {
			t.Fatalf("%q proves something", data)
		}
		Merge(list, list)
	})
}

// FuzzCandidates: no manifest of signatures costs more than what is looked at.
func FuzzCandidates(f *testing.F) {
	a, err := NewArtifact(nil, []Signature{fixture(f, "ecdsa.sig")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.ParseManifest(data, v1.MediaTypeImageManifest)
		if err != nil {
			return
		}
		if list, err := Candidates(m); err == nil && len(list) > maxSignatures {
			t.Fatalf("%d signatures", len(list))
		}
		if _, err := NewArtifact(m, []Signature{fixture(t, "rsa.sig")}); err != nil {
			t.Fatal(err)
		}
	})
}
