package secrets

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBadSecretsAreRefusedWithoutTheirValues(t *testing.T) {
	good := Secret{"A", placeholder, "api.test", 443, "fine"}
	for what, change := range map[string]func(*Secret){
		"no name":           func(s *Secret) { s.Name = "" },
		"a short one":       func(s *Secret) { s.Placeholder = "banger-secret-1" },
		"no placeholder":    func(s *Secret) { s.Placeholder = strings.Repeat("x", 60) },
		"a separator":       func(s *Secret) { s.Placeholder = placeholder + "-" },
		"an address":        func(s *Secret) { s.Host = "192.0.2.1" },
		"upper case":        func(s *Secret) { s.Host = "API.test" },
		"no port":           func(s *Secret) { s.Port = 0 },
		"a line break":      func(s *Secret) { s.Value = "hidden\r\nX: y" },
		"a placeholder":     func(s *Secret) { s.Value = "hidden" + other },
		"more than a limit": func(s *Secret) { s.Value = strings.Repeat("hidden", 2000) },
	} {
		bad := good
		change(&bad)
		_, err := newSet(Config{Seed: make([]byte, SeedBytes), Secrets: []Secret{bad}}, &set{})
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := newSet(Config{Seed: make([]byte, SeedBytes), Secrets: []Secret{good, good}}, &set{}); err == nil {
		t.Error("two secrets have one placeholder")
	}
	if _, err := newSet(Config{Secrets: []Secret{good}}, &set{}); err == nil {
		t.Error("an authority has no seed")
	}
}

func TestTheAuthorityIsTheSameForTheSameSeed(t *testing.T) {
	var keys [][]byte
	for _, hosts := range [][]string{{"a.test"}, {"a.test", "b.test"}} {
		made, err := newAuthority(bytes.Repeat([]byte{7}, SeedBytes), hosts)
		if err != nil {
			t.Fatal(err)
		}
		key, err := made.key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if !bytes.Equal(keys[0], keys[1]) {
		t.Error("a guest would have to trust another authority after a restart")
	}
}

// FuzzSwap checks that a value stands where its placeholder was, nowhere else, and that nothing of it comes
// back.
func FuzzSwap(f *testing.F) {
	f.Add("Bearer ", " end", "s3cr3t", uint8(3), []byte("text"))
	f.Add("", "", "a value, with spaces & signs", uint8(1), []byte{0, 255})
	f.Add(placeholder[:20], other, "aaaaaaaaaaaa", uint8(2), []byte("aaaaaaa"))
	f.Fuzz(func(t *testing.T, before, after, value string, step uint8, noise []byte) {
		secret := Secret{"A", placeholder, "api.test", 443, value}
		if secret.check() != nil || value == "" || strings.Contains(before+after, placeholder) {
			return
		}
		s := newSwap([]Secret{secret})
		user := base64.StdEncoding.EncodeToString([]byte(before + placeholder + after))
		header := http.Header{
			"X": {before + placeholder + after, before + after}, "Authorization": {"basic " + user},
		}
		s.header(header)
		decoded, err := base64.StdEncoding.DecodeString(header["Authorization"][0][len("basic "):])
		if header["X"][0] != before+value+after && !strings.Contains(before+placeholder+after, other) ||
			header["X"][1] != before+after || err != nil || string(decoded) != header["X"][0] {
			t.Fatalf("%q", header)
		}
		if len(value) < minRedactedBytes {
			return
		}
		var body []byte
		for _, part := range []string{value, header["Authorization"][0], s.query("a=" + placeholder), value[1:], value + value} {
			body = append(append(body, noise...), part...)
		}
		source := io.NopCloser(iotest.OneByteReader(bytes.NewReader(body)))
		if step%2 == 0 {
			source = io.NopCloser(bytes.NewReader(body))
		}
		got, err := io.ReadAll(s.redaction().body(source, nil))
		if err != nil || len(got) != len(body) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(body), err)
		}
		if strings.Trim(value, "*") != "" && bytes.Contains(got, []byte(value)) && !bytes.Contains(noise, []byte(value)) {
			t.Fatalf("%q is in %q", value, got)
		}
	})
}

func TestWhatWasNotSentStaysAsItIs(t *testing.T) {
	s := newSwap([]Secret{{"A", placeholder, "api.test", 443, value}})
	s.text("x"+placeholder, func(value string) string { return value })
	random := strings.Repeat("no secret s3cr3t s3cr3t/valu ", 5000)
	got, err := io.ReadAll(s.redaction().body(io.NopCloser(strings.NewReader(random)), nil))
	if err != nil || string(got) != random {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
