package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"banger.dev/host/internal/oci/blobs"
	"banger.dev/host/internal/oci/fault"
	"banger.dev/host/internal/oci/images"
)

// served is an image in a registry of a test: its parts by their digests.
type served struct {
	manifest string
	parts    map[string][]byte
	layers   []string
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// serve makes an image of layers, whose contents need not be archives: nothing unpacks them.
func serve(t testing.TB, layers ...[]byte) served {
	t.Helper()
	s := served{parts: map[string][]byte{}}
	add := func(content []byte) map[string]any {
		digest := digestOf(content)
		s.parts[digest] = content
		return map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(content)}
	}
	config := add([]byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	all := []any{}
	for _, layer := range layers {
		described := add(layer)
		s.layers = append(s.layers, described["digest"].(string))
		all = append(all, described)
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": all})
	if err != nil {
		t.Fatal(err)
	}
	s.manifest = digestOf(manifest)
	s.parts[s.manifest] = manifest
	return s
}

// ServeHTTP is a registry that does all as it should. Ranges are those of package http.
func (s served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	last := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if r.URL.Path == "/v2/" {
		return
	}
	if strings.Contains(r.URL.Path, "/manifests/") {
		if last == "v1" {
			last = s.manifest
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	}
	content, isThere := s.parts[last]
	if !isThere {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}

// start runs a handler, and returns its host and port.
func start(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func startFunc(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	return start(t, handler)
}

// counts is the progress of a pull.
type counts struct{ layers, done int }

func (c *counts) Expect(layers int, _ int64) { c.layers = layers }
func (c *counts) Got(int64)                  {}
func (c *counts) GotLayer()                  { c.done++ }

// attempt pulls an image. change may change the options.
func attempt(t testing.TB, ctx context.Context, reference string, change func(*Options)) (images.Summary, string, error) {
	t.Helper()
	dir := t.TempDir()
	store, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Store: store, Stall: 5 * time.Second, Backoff: time.Millisecond}
	if change != nil {
		change(&options)
	}
	puller := NewPuller(options)
	defer puller.Close()
	parsed, err := ParseReference(reference)
	if err != nil {
		return images.Summary{}, dir, err
	}
	found, err := puller.Pull(ctx, parsed, v1.Platform{OS: "linux", Architecture: "amd64"}, &counts{})
	return found, dir, err
}

func requireCode(t testing.TB, err error, code string) {
	t.Helper()
	var known *fault.Error
	if !errors.As(err, &known) || known.Code != code {
		t.Errorf("found %v, want %s", err, code)
	}
}

// requireWhole fails the test when a store lacks a layer, or has a part of something.
func requireWhole(t testing.TB, dir string, s served) {
	t.Helper()
	for digest, content := range s.parts {
		found, err := os.ReadFile(filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(digest, "sha256:")))
		if err != nil || string(found) != string(content) {
			t.Errorf("%s: %d bytes, %v", digest, len(found), err)
		}
	}
	requireNoPartial(t, dir)
}

func requireNoPartial(t testing.TB, dir string) {
	t.Helper()
	rest, err := os.ReadDir(filepath.Join(dir, "partial"))
	if err != nil || len(rest) > 0 {
		t.Errorf("partial: %v %v", rest, err)
	}
}
