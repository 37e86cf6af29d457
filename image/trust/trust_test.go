package trust

// Keys and signatures that openssl, signify and minisign made, and what is wrong
// with others. testdata/ has them: payload.json, for each key its signature of it.

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
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

// Blanks around a key mean nothing, and what is a byte too long is refused.
func TestKeysAsTheyLieAbout(t *testing.T) {
	comment, line, _ := strings.Cut(strings.TrimSpace(string(read(t, "signify.pub"))), "\n")
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	raw[1]++
	most := func(data []byte, n int) []byte {
		return append(slices.Clone(data), bytes.Repeat([]byte("\n"), n-len(data))...)
	}
	for what, c := range map[string]struct {
		data []byte
		want string
	}{
		"blanks before":       {[]byte("\n " + comment + "\n" + line), ""},
		"an empty line":       {[]byte(comment + "\n\n" + line), ""},
		"a blank":             {[]byte(comment + "\n \t" + line + " \n"), ""},
		"no comment":          {[]byte("comment: x\n" + line), "want a public key"},
		"another algorithm":   {[]byte(comment + "\n" + base64.StdEncoding.EncodeToString(raw)), "want a public key"},
		"as long as it may":   {most(read(t, "ecdsa.pub"), MaxKey), ""},
		"one byte more":       {most(read(t, "ecdsa.pub"), MaxKey+1), "more than"},
		"a certificate's key": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "one block PUBLIC KEY"},
	} {
		if _, err := ParseKey("k", c.data); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", what, err, c.want)
		}
	}
	for bits, good := range map[uint]bool{minRSA - 1: false, minRSA: true, maxRSA: true, maxRSA + 1: false} {
		if err := checkPublic(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}); (err == nil) != good {
			t.Errorf("RSA of %d bits: %v", bits, err)
		}
	}
	// A key without a number takes a signature of any.
	numbered, s := key(t, "signify.pub"), fixture(t, "signify.sig")
	if err := s.verify(&Key{public: numbered.public}, signed); err != nil {
		t.Errorf("the same key in PEM: %v", err)
	}
}

// The forms in which private keys are written by who makes them.
func TestSignersAsTheyLieAbout(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(read(t, "rsa.key"))
	pkcs8, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := pkcs8.(*rsa.PrivateKey)
	der := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b, Headers: headers})
	}
	sec := der(x509.MarshalECPrivateKey(ec))
	comment, line, _ := strings.Cut(strings.TrimSpace(string(read(t, "signify.sec"))), "\n")
	raw := der(base64.StdEncoding.DecodeString(line))
	kdf := slices.Clone(raw)
	kdf[2]++
	signify := func(b []byte) []byte { return []byte(comment + "\n" + base64.StdEncoding.EncodeToString(b)) }
	padded := append(text("EC PRIVATE KEY", sec, nil), bytes.Repeat([]byte("\n"), MaxKey)...)
	for what, c := range map[string]struct {
		data   []byte
		public any
		want   string
	}{
		"ECDSA of openssl":      {text("EC PRIVATE KEY", sec, nil), &ec.PublicKey, ""},
		"with its parameters":   {append(text("EC PARAMETERS", []byte("x"), nil), text("EC PRIVATE KEY", sec, nil)...), &ec.PublicKey, ""},
		"RSA of openssl":        {text("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), &rsaKey.PublicKey, ""},
		"with a passphrase":     {text("EC PRIVATE KEY", sec, map[string]string{"DEK-Info": "AES-128-CBC,00"}), nil, "without a passphrase"},
		"damaged":               {text("EC PRIVATE KEY", sec[1:], nil), nil, "without a passphrase"},
		"for agreement":         {text("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(agreement)), nil), nil, "without a passphrase"},
		"of another curve":      {text("EC PRIVATE KEY", der(x509.MarshalECPrivateKey(other)), nil), nil, "want P-256"},
		"signify's":             {signify(raw), key(t, "signify.pub").public, ""},
		"signify's, cut":        {signify(raw[:len(raw)-1]), nil, "without a passphrase"},
		"signify's, odd KDF":    {signify(kdf), nil, "without a passphrase"},
		"signify's, then more":  {append(signify(raw), "%%%%"...), nil, "without a passphrase"},
		"signify's, no base64":  {[]byte(comment + "\n%"), nil, "without a passphrase"},
		"as long as it may be":  {padded[:MaxKey], &ec.PublicKey, ""},
		"one byte more":         {padded[:MaxKey+1], nil, "more than"},
		"another's own private": {text("OPENSSH PRIVATE KEY", sec, nil), nil, "takes a passphrase away"},
	} {
		s, err := ParseSigner("k", c.data)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", what, err, c.want)
			continue
		}
		if err != nil {
			continue
		}
		sig, err := s.Sign(signed, "x")
		if err == nil {
			err = sig.verify(&Key{public: c.public}, signed)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A manifest of signatures is whole: all that it names is there, and old ones stay.
func TestArtifact(t *testing.T) {
	one, two := fixture(t, "ecdsa.sig"), fixture(t, "rsa.sig")
	a, err := NewArtifact(nil, []Signature{one})
	if err != nil {
		t.Fatal(err)
	}
	read := func(a *Artifact) *v1.Manifest {
		m, err := manifest.ParseManifest(a.Data, v1.MediaTypeImageManifest)
		if err != nil {
			t.Fatal(err)
		}
		if a.MediaType != v1.MediaTypeImageManifest || m.MediaType != a.MediaType || a.Digest != digest.FromBytes(a.Data) || a.Size != int64(len(a.Data)) {
			t.Errorf("the artifact is %+v, of a manifest of type %s", a.Descriptor, m.MediaType)
		}
		var config v1.Image
		data := a.Blobs[m.Config.Digest]
		err = json.Unmarshal(data, &config)
		if err != nil || m.Config.MediaType != v1.MediaTypeImageConfig || m.Config.Size != int64(len(data)) || config.RootFS.Type != "layers" || len(config.RootFS.DiffIDs) != len(m.Layers) {
			t.Errorf("its config is %s, %+v, %v", data, m.Config, err)
		}
		for i, l := range m.Layers {
			if i < len(config.RootFS.DiffIDs) && config.RootFS.DiffIDs[i] != l.Digest {
				t.Errorf("layer %d is %s, its config says %s", i, l.Digest, config.RootFS.DiffIDs[i])
			}
		}
		return m
	}
	m := read(a)
	if len(m.Layers) != 1 || !bytes.Equal(a.Blobs[m.Layers[0].Digest], one.Payload) {
		t.Errorf("its layers are %+v", m.Layers)
	}
	m.MediaType, m.Layers[0].Annotations[signatureKey] = "", m.Layers[0].Annotations[signatureKey]+"\n"
	if again, err := NewArtifact(m, []Signature{one}); err != nil || again != nil {
		t.Errorf("the same again gives %+v, %v; want nothing", again, err)
	}
	b, err := NewArtifact(m, []Signature{one, two, {one.Payload, []byte("third")}})
	if err != nil {
		t.Fatal(err)
	}
	m = read(b)
	list, err := Candidates(m)
	if err != nil || len(list) != 3 || !list[0].With(one.Payload).Equal(one) || !list[1].With(two.Payload).Equal(two) {
		t.Errorf("its signatures are %+v, %v", list, err)
	}
	other := fixture(t, "ecdsa.sig")
	other.Payload = append(slices.Clone(other.Payload), ' ')
	if c, err := NewArtifact(m, []Signature{other}); err != nil || c == nil {
		t.Errorf("the same of another payload gives %+v, %v", c, err)
	}
	for what, o := range map[string]Signature{"payload": {two.Payload[1:], one.Value}, "value": {one.Payload, two.Value}} {
		if one.Equal(o) || !one.Equal(one) {
			t.Errorf("another %s is the same", what)
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
	if _, err := parsePayload([]byte(strings.Repeat(" ", maxPayload-len(good)) + good)); err != nil {
		t.Errorf("as long as it may be: %v", err)
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
	inner2 := indexOf(t, v1.MediaTypeImageManifest, target)
	asManifest := bytes.Replace(inner, []byte(v1.MediaTypeImageIndex), []byte(v1.MediaTypeImageManifest), 1)
	broken := bytes.Replace(inner, []byte(`"schemaVersion":2`), []byte(`"schemaVersion":3`), 1)
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
		"an index of another":     {Evidence{d(without), [][]byte{inner}, sign(d(without))}, false},
		"another on the way":      {Evidence{d(outer), [][]byte{outer, inner2}, sign(d(outer))}, false},
		"as a manifest":           {Evidence{d(asManifest), [][]byte{asManifest}, sign(d(asManifest))}, false},
		"what is none":            {Evidence{d(broken), [][]byte{broken}, sign(d(broken))}, false},
		"no digest, with a way":   {Evidence{"x", [][]byte{inner}, sign(target)}, false},
		"no hash, with a way":     {Evidence{"md5:x", [][]byte{inner}, sign(target)}, false},
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

// What of a manifest can be a signature is looked at, and no more of them than a
// signer makes.
func TestCandidates(t *testing.T) {
	layer := func(size int64, mediaType string, annotations map[string]string) v1.Descriptor {
		return v1.Descriptor{MediaType: mediaType, Digest: signed, Size: size, Annotations: annotations}
	}
	value := map[string]string{signatureKey: " eA==\n"}
	good := layer(maxPayload, payloadMediaType, value)
	list, err := Candidates(&v1.Manifest{Layers: []v1.Descriptor{
		layer(1, payloadMediaType, nil), layer(1, "text/plain", value), layer(maxPayload+1, payloadMediaType, value), good,
	}})
	if err != nil || len(list) != 1 || list[0].Payload.Size != maxPayload || string(list[0].value) != "x" {
		t.Errorf("candidates are %+v, %v; want the last one", list, err)
	}
	if list, err := Candidates(&v1.Manifest{Layers: []v1.Descriptor{layer(1, payloadMediaType, map[string]string{signatureKey: "%"})}}); err == nil {
		t.Errorf("what is no base64 gives %+v", list)
	}
	for n, want := range map[int]bool{maxSignatures: true, maxSignatures + 1: false} {
		if _, err := Candidates(&v1.Manifest{Layers: slices.Repeat([]v1.Descriptor{good}, n)}); (err == nil) != want {
			t.Errorf("%d signatures: %v", n, err)
		}
	}
}

// Evidence does not grow without end, and what is added to is not changed.
func TestKeptEvidence(t *testing.T) {
	for n, want := range map[int]bool{maxKept: true, maxKept + 1: false} {
		if _, err := MarshalEvidence([]Evidence{{Via: [][]byte{make([]byte, 1000)}}, {Via: [][]byte{make([]byte, n-1000)}}}); (err == nil) != want {
			t.Errorf("%d bytes of indexes: %v", n, err)
		}
	}
	some := func(n int, text string) (list []Signature) {
		for i := range n {
			list = append(list, Signature{[]byte(text), []byte{byte(i)}})
		}
		return list
	}
	more := []Evidence{{Signed: signed, Signatures: append(make([]Signature, 0, 100), some(2, "new")...)}}
	merged := Merge([]Evidence{{Signed: signed, Signatures: append(some(1, "new"), some(maxSignatures, "old")...)}}, more)
	if len(merged) != 1 || len(merged[0].Signatures) != maxSignatures || string(merged[0].Signatures[0].Payload) != "new" || string(merged[0].Signatures[2].Payload) != "old" {
		t.Errorf("%d signatures; want the new ones and as many of the old as there is room for", len(merged[0].Signatures))
	}
	if len(more[0].Signatures) != 2 || more[0].Signatures[:3][2].Payload != nil {
		t.Error("what was added to has changed")
	}
	var many []Evidence
	for i := range 10 {
		many = append(many, Evidence{Signed: digest.FromString(string(rune('a' + i)))})
	}
	if list := Merge(many, more); len(list) != 8 || list[0].Signed != signed || list[1].Signed != many[0].Signed {
		t.Errorf("%d are kept", len(list))
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
		{v1.Descriptor{Annotations: map[string]string{v1.AnnotationRefName: "a/b:" + ReferrersTag(signed)}}, false},
		{v1.Descriptor{Annotations: map[string]string{v1.AnnotationRefName: "a/b:x.sig"}}, false},
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
