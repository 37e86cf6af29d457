package trust

// Making signatures.

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Signer is a private key.
type Signer struct {
	key    crypto.Signer
	prefix []byte // before the signature: what signify writes there
}

// ParseSigner reads a private key without a passphrase: PEM of PKCS #8 and the
// older forms of openssl, or what "signify -G -n" makes. name is for messages. What
// the error says is nothing of the key.
func ParseSigner(name string, data []byte) (*Signer, error) {
	s := &Signer{}
	if len(data) > MaxKey {
		return nil, fmt.Errorf("parse key %s: more than %d bytes", name, MaxKey)
	}
	if err := s.parse(data); err != nil {
		return nil, fmt.Errorf("parse key %s: %w", name, err)
	}
	return s, nil
}

var errSigner = errors.New("want a private key without a passphrase: PEM, or what signify -G -n makes")

func (s *Signer) parse(data []byte) error {
	block, rest := pem.Decode(data)
	for block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam -genkey
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return s.parseSignify(data)
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return fmt.Errorf("PEM of type %q: %w (openssl pkey takes a passphrase away; what cosign encrypts only cosign reads)", block.Type, errSigner)
	}
	if err != nil || block.Headers["DEK-Info"] != "" {
		return errSigner
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return errSigner
	}
	s.key = signer
	return checkPublic(signer.Public())
}

// parseSignify reads algorithm, KDF, rounds (0: not encrypted), salt, checksum,
// number and key (signify.c, struct enckey).
func (s *Signer) parseSignify(data []byte) error {
	const salt, checksum = 16, 8
	const head = 2 + 2 + 4 + salt + checksum
	b, err := secondLine(data)
	if err != nil || len(b) != head+numberSize+ed25519.PrivateKeySize || string(b[:4]) != algorithmPure+"BK" {
		return errSigner
	}
	if !bytes.Equal(b[4:8], []byte{0, 0, 0, 0}) {
		return fmt.Errorf("it has a passphrase: %w", errSigner)
	}
	key := b[head+numberSize:]
	if sum := sha512.Sum512(key); !bytes.Equal(sum[:checksum], b[head-checksum:head]) {
		return errors.New("it is damaged: its checksum is another one")
	}
	s.key = ed25519.PrivateKey(key)
	s.prefix = slices.Concat([]byte(algorithmPure), b[head:head+numberSize])
	return nil
}

// Sign signs an image of a repository, which is no part of what is verified.
func (s *Signer) Sign(sum digest.Digest, repository string) (sig Signature, err error) {
	if sig.Payload, err = makePayload(sum, repository); err != nil {
		return sig, err
	}
	message, hash := sig.Payload, crypto.Hash(0)
	if _, pure := s.key.Public().(ed25519.PublicKey); !pure {
		h := sha256.Sum256(message)
		message, hash = h[:], crypto.SHA256
	}
	value, err := s.key.Sign(rand.Reader, message, hash)
	if err != nil {
		return sig, fmt.Errorf("sign %s: %w", sum, err)
	}
	sig.Value = slices.Concat(s.prefix, value)
	return sig, nil
}

// Artifact is an image manifest of signatures, and the blobs that it needs.
type Artifact struct {
	v1.Descriptor
	Data  []byte
	Blobs map[digest.Digest][]byte
}

// NewArtifact adds signatures to those of a manifest, if that is not nil. It gives
// nil if there is nothing to add.
func NewArtifact(old *v1.Manifest, list []Signature) (*Artifact, error) {
	a := &Artifact{Blobs: map[digest.Digest][]byte{}}
	m := v1.Manifest{Versioned: manifest.Schema2, MediaType: v1.MediaTypeImageManifest}
	if old != nil {
		m = *old
		m.MediaType = v1.MediaTypeImageManifest
	}
	added := false
	for _, s := range list {
		d := v1.Descriptor{
			MediaType: payloadMediaType, Digest: digest.FromBytes(s.Payload), Size: int64(len(s.Payload)),
			Annotations: map[string]string{signatureKey: base64.StdEncoding.EncodeToString(s.Value)},
		}
		if slices.ContainsFunc(m.Layers, func(l v1.Descriptor) bool {
			return l.Digest == d.Digest && strings.TrimSpace(l.Annotations[signatureKey]) == d.Annotations[signatureKey]
		}) {
			continue
		}
		m.Layers, added = append(m.Layers, d), true
		a.Blobs[d.Digest] = s.Payload
	}
	if !added {
		return nil, nil //nolint:nilnil // nothing to add is no error
	}
	var config v1.Image
	config.RootFS.Type = "layers"
	for _, l := range m.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
	}
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(data), Size: int64(len(data))}
	a.Blobs[m.Config.Digest] = data
	if a.Data, err = json.Marshal(m); err != nil {
		return nil, err
	}
	a.Descriptor = v1.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(a.Data), Size: int64(len(a.Data))}
	return a, nil
}
