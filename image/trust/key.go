package trust

// Public keys: PEM, as cosign and openssl write them, and the files of signify(1)
// and minisign.

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// MaxKey is how long the file of a key may be, in bytes.
const MaxKey = 64 << 10

// minRSA is how long an RSA key has to be, in bits (NIST SP 800-131A).
const minRSA, maxRSA = 2048, 8192

// Key is a public key.
type Key struct {
	Name   string // for messages
	public crypto.PublicKey
	number []byte // of signify and minisign; nil: none
}

// The parts of what signify and minisign write: two letters for the algorithm, the
// key's number, and a key or signature.
const (
	algorithmPure   = "Ed" // Ed25519 of the message
	algorithmHashed = "ED" // Ed25519 of its BLAKE2b-512: minisign
	numberSize      = 8
)

// errNoSignature is the error of every signature that does not fit.
var errNoSignature = errors.New("it is not a signature of this key")

// ParseKey reads a public key; name is what messages call it.
func ParseKey(name string, data []byte) (*Key, error) {
	k := &Key{Name: name}
	if len(data) > MaxKey {
		return nil, fmt.Errorf("parse key %s: more than %d bytes", name, MaxKey)
	}
	err := k.parse(data)
	if err != nil {
		return nil, fmt.Errorf("parse key %s: %w", name, err)
	}
	return k, nil
}

func (k *Key) parse(data []byte) error {
	if block, rest := pem.Decode(data); block != nil {
		if strings.Contains(block.Type, "PRIVATE") {
			return errors.New("it is a private key: give the public one")
		}
		if block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
			return fmt.Errorf("PEM of type %q: want one block PUBLIC KEY", block.Type)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return err
		}
		k.public = public
		return checkPublic(public)
	}
	line, err := secondLine(data)
	if err != nil {
		return err
	}
	if len(line) != len(algorithmPure)+numberSize+ed25519.PublicKeySize || string(line[:2]) != algorithmPure {
		return errors.New("want a public key: PEM, or a file of signify or minisign")
	}
	k.number, k.public = line[2:2+numberSize], ed25519.PublicKey(line[2+numberSize:])
	return nil
}

// secondLine decodes what signify and minisign write: a comment, and base64.
func secondLine(data []byte) ([]byte, error) {
	comment, rest, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if !strings.HasPrefix(comment, "untrusted comment:") || strings.Contains(strings.TrimSpace(rest), "\n") {
		return nil, errors.New("want a public key: PEM, or a file of signify or minisign")
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
}

func checkPublic(public crypto.PublicKey) error {
	switch p := public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() {
			return nil
		}
		return fmt.Errorf("ECDSA on %s: want P-256", p.Curve.Params().Name)
	case *rsa.PublicKey:
		if n := p.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("RSA of %d bits: want %d to %d", n, minRSA, maxRSA)
		}
		return nil
	}
	return fmt.Errorf("%T: want Ed25519, ECDSA on P-256 or RSA", public)
}

// verify tells whether a signature is that of a message.
func (k *Key) verify(message, signature []byte) error {
	sum := sha256.Sum256(message)
	good := false
	switch p := k.public.(type) {
	case ed25519.PublicKey:
		return k.verifyEd25519(p, message, signature)
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(p, sum[:], signature)
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(p, crypto.SHA256, sum[:], signature) == nil
	}
	if !good {
		return errNoSignature
	}
	return nil
}

// verifyEd25519 takes the signature alone, or the second line of a file of signify
// or minisign.
func (k *Key) verifyEd25519(p ed25519.PublicKey, message, signature []byte) error {
	if len(signature) == 2+numberSize+ed25519.SignatureSize {
		algorithm, number := string(signature[:2]), signature[2:2+numberSize]
		switch {
		case k.number != nil && !bytes.Equal(k.number, number):
			return fmt.Errorf("it is one of the key %x: %w", number, errNoSignature)
		case algorithm == algorithmHashed:
			sum := blake2b.Sum512(message)
			message = sum[:]
		case algorithm != algorithmPure:
			return fmt.Errorf("algorithm %q: %w", algorithm, errNoSignature)
		}
		signature = signature[2+numberSize:]
	}
	if !ed25519.Verify(p, message, signature) {
		return errNoSignature
	}
	return nil
}
