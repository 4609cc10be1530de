package secrets

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	// leafLife is the validity of a server's certificate, within what clients accept.
	leafLife = 90 * 24 * time.Hour
	// leafAge is when a new one is made.
	leafAge = 24 * time.Hour
)

// Authority is what a guest needs to trust the servers that this program stands for.
type Authority struct {
	PEM string `json:"pem"`
	// SubjectHash is the name of its file in a folder that OpenSSL searches, without ".0".
	SubjectHash string `json:"subjectHash"`
}

// authority signs the certificates of the servers of secrets, and of no others: its own certificate says that
// it may not. Its key follows from a seed, so that a guest trusts the next process too.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	leafKey     *ecdsa.PrivateKey
	mutex       sync.Mutex
	leaves      map[string]leaf
}

type leaf struct {
	certificate *tls.Certificate
	made        time.Time
}

func newAuthority(seed []byte, hosts []string) (*authority, error) {
	key, err := keyOf(seed)
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(append([]byte("id "), seed...))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "banger secrets " + hex.EncodeToString(id[:8])},
		// The clocks of guests may differ, and the same authority is used as long as the VM exists.
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		// A client that trusts this authority trusts it for these servers only.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         hosts,
	}
	content, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(content)
	if err != nil {
		return nil, err
	}
	return &authority{key: key, certificate: certificate, leafKey: leafKey, leaves: map[string]leaf{}}, nil
}

// keyOf derives a key. Nearly every text of 32 bytes is one.
func keyOf(seed []byte) (*ecdsa.PrivateKey, error) {
	for count := range 16 {
		text, err := hkdf.Key(sha256.New, seed, nil, fmt.Sprintf("banger secrets authority %d", count), 32)
		if err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), text); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("the seed of the authority gives no key")
}

// public is what the guest gets.
func (a *authority) public() (*Authority, error) {
	subjectHash, err := subjectHash(a.certificate.RawSubject)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	return &Authority{PEM: string(text), SubjectHash: subjectHash}, nil
}

// subjectHash is OpenSSL's for a name of one common name in lower case: SHA-1 of that without the outer
// sequence, its text as UTF-8.
func subjectHash(rawSubject []byte) (string, error) {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(rawSubject, &name); err != nil || len(name) != 1 || len(name[0]) != 1 {
		return "", errors.New("the subject of the authority is not one name")
	}
	text, isText := name[0][0].Value.(string)
	if !isText {
		return "", errors.New("the subject of the authority is no text")
	}
	element, err := asn1.MarshalWithParams([]struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"utf8"`
	}{{name[0][0].Type, text}}, "set")
	if err != nil {
		return "", err
	}
	digest := sha1.Sum(element)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(digest[:4])), nil
}

// certificateOf returns a certificate of a server, which is that of a secret.
func (a *authority) certificateOf(host string) (*tls.Certificate, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if known, isKnown := a.leaves[host]; isKnown && time.Since(known.made) < leafAge {
		return known.certificate, nil
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName(host)},
		DNSNames:     []string{host},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	content, err := x509.CreateCertificate(rand.Reader, template, a.certificate, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, err
	}
	made := &tls.Certificate{Certificate: [][]byte{content, a.certificate.Raw}, PrivateKey: crypto.PrivateKey(a.leafKey)}
	a.leaves[host] = leaf{made, now}
	return made, nil
}

// commonName is at most 64 bytes long in a certificate; clients use the other names.
func commonName(host string) string {
	return string(bytes.TrimRight([]byte(host)[:min(len(host), 64)], ".-"))
}
