package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var layer = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

// spoil serves an image, but for its layer, of which answer sends what it likes.
func spoil(s served, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, s.layers[0]) {
			answer(w, r)
			return
		}
		s.ServeHTTP(w, r)
	}
}

func TestADownloadContinuesAfterACut(t *testing.T) {
	s := serve(t, layer)
	var ranges []string
	host := startFunc(t, spoil(s, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
			_, _ = w.Write(layer[:100_000])
			panic(http.ErrAbortHandler)
		}
		s.ServeHTTP(w, r)
	}))
	_, dir, err := attempt(t, t.Context(), host+"/image:v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	requireWhole(t, dir, s)
	if len(ranges) != 2 || ranges[0] != "" || !strings.HasPrefix(ranges[1], "bytes=") || ranges[1] == "bytes=0-" {
		t.Errorf("ranges %q", ranges)
	}
}

func TestAPullContinuesWhatAnotherHasLeft(t *testing.T) {
	s := serve(t, layer)
	for what, left := range map[string][]byte{
		"a beginning": layer[:1234], "other content": bytes.Repeat([]byte("x"), 1234),
		"more than the whole": append(bytes.Clone(layer), 'x'), "the whole": layer, "the size only": make([]byte, len(layer)),
	} {
		host := start(t, s)
		_, dir, err := attempt(t, t.Context(), host+"/image:v1", func(o *Options) {
			// The folder of the store is that of its only test.
			path := filepath.Join(storeDir(o), "partial", "sha256-"+strings.TrimPrefix(s.layers[0], "sha256:"))
			if err := os.WriteFile(path, left, 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		requireWhole(t, dir, s)
	}
}

func TestARegistryThatKnowsNoRangesIsReadFromTheStart(t *testing.T) {
	s := serve(t, layer)
	calls := 0
	host := startFunc(t, spoil(s, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
			_, _ = w.Write(layer[:1000])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(layer)
	}))
	_, dir, err := attempt(t, t.Context(), host+"/image:v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	requireWhole(t, dir, s)
}

func TestHostileAnswersAreErrorsWithCodes(t *testing.T) {
	s := serve(t, layer)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		code   string
	}{
		"500":             {status(500), "REGISTRY_BAD_ANSWER"},
		"404":             {status(404), "REGISTRY_NOT_FOUND"},
		"403":             {status(403), "REGISTRY_UNAUTHORIZED"},
		"429":             {status(429), "REGISTRY_BAD_ANSWER"},
		"416":             {status(416), "REGISTRY_BAD_ANSWER"},
		"other content":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.ToUpper(layer)) }, "REGISTRY_BAD_ANSWER"},
		"too short":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(layer[:500]) }, "REGISTRY_BAD_ANSWER"},
		"without an end":  {func(w http.ResponseWriter, _ *http.Request) { endless(w) }, "REGISTRY_BAD_ANSWER"},
		"an empty answer": {func(http.ResponseWriter, *http.Request) {}, "REGISTRY_BAD_ANSWER"},
		"cut":             {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "REGISTRY_BAD_ANSWER"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, "REGISTRY_BAD_ANSWER"},
	} {
		host := startFunc(t, spoil(s, c.answer))
		_, dir, err := attempt(t, t.Context(), host+"/image:v1", nil)
		if err == nil {
			t.Errorf("%s: it is accepted", what)
			continue
		}
		t.Logf("%s: %v", what, err)
		requireCode(t, err, c.code)
		// Neither the layer nor a manifest that names it is in the store.
		for _, digest := range []string{s.layers[0], s.manifest} {
			if _, err := os.Stat(filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(digest, "sha256:"))); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s is in the store: %v", what, digest, err)
			}
		}
	}
}

func endless(w http.ResponseWriter) {
	for other := bytes.ToUpper(layer); ; {
		if _, err := w.Write(other); err != nil {
			return
		}
	}
}

func TestHostileManifestsAreErrorsWithCodes(t *testing.T) {
	for what, c := range map[string]struct{ content, code string }{
		"no JSON":       {"<html>", "REGISTRY_BAD_ANSWER"},
		"an old schema": {`{"schemaVersion":1}`, "REGISTRY_BAD_ANSWER"},
		"no image":      {`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"` + digestOf(nil) + `"}}`, "REGISTRY_BAD_ANSWER"},
		"odd digest":    {`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":"sha256:../../x"}}`, "REGISTRY_BAD_ANSWER"},
		"other digest":  {`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":"md5:00"}}`, "REGISTRY_BAD_ANSWER"},
		"negative size": {`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"size":-1,"digest":"` + digestOf(nil) + `"}}`, "REGISTRY_BAD_ANSWER"},
		"huge size":     {`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"size":9000000000000000000,"digest":"` + digestOf(nil) + `"}}`, "REGISTRY_BAD_ANSWER"},
		"too large":     {`{"a":"` + strings.Repeat("x", 5<<20) + `"}`, "IMAGE_TOO_LARGE"},
		"empty index":   {`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`, "IMAGE_PLATFORM_MISSING"},
		"no manifest":   {`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digestOf(nil) + `"}]}`, "REGISTRY_NOT_FOUND"},
	} {
		s := served{manifest: digestOf([]byte(c.content)), parts: map[string][]byte{digestOf([]byte(c.content)): []byte(c.content)}}
		host := start(t, s)
		_, _, err := attempt(t, t.Context(), host+"/image:v1", nil)
		if err == nil {
			t.Errorf("%s: it is accepted", what)
			continue
		}
		requireCode(t, err, c.code)
	}
}

func TestAManifestOfAnotherDigestIsRefused(t *testing.T) {
	s := serve(t, layer)
	other := "sha256:" + strings.Repeat("0", 64)
	s.parts[other] = s.parts[s.manifest]
	_, _, err := attempt(t, t.Context(), start(t, s)+"/image@"+other, nil)
	requireCode(t, err, "REGISTRY_BAD_ANSWER")
}

func TestARegistryThatSendsNothingIsGivenUp(t *testing.T) {
	s := serve(t, layer)
	for what, answer := range map[string]http.HandlerFunc{
		"from the start": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"in the middle": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
			_, _ = w.Write(layer[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		host := startFunc(t, spoil(s, answer))
		_, _, err := attempt(t, t.Context(), host+"/image:v1", func(o *Options) { o.Stall = 200 * time.Millisecond })
		requireCode(t, err, "REGISTRY_UNREACHABLE")
		t.Logf("%s: %v", what, err)
	}
}

func TestASlowRegistryIsNotGivenUp(t *testing.T) {
	s := serve(t, layer[:4000])
	host := startFunc(t, spoil(s, func(w http.ResponseWriter, _ *http.Request) {
		for at := 0; at < 4000; at += 1000 {
			time.Sleep(150 * time.Millisecond)
			_, _ = w.Write(layer[at:][:1000])
			w.(http.Flusher).Flush()
		}
	}))
	_, dir, err := attempt(t, t.Context(), host+"/image:v1", func(o *Options) { o.Stall = 400 * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	requireWhole(t, dir, s)
}

func TestACancelledPullEndsAtOnce(t *testing.T) {
	s := serve(t, layer)
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int32
	host := startFunc(t, spoil(s, func(_ http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		cancel()
		<-r.Context().Done()
	}))
	if _, _, err := attempt(t, ctx, host+"/image:v1", nil); !errors.Is(err, context.Canceled) || calls.Load() != 1 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
	if _, _, err := attempt(t, ctx, host+"/image:v1", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("already cancelled: %v", err)
	}
}

func TestLayersArriveAtTheSameTime(t *testing.T) {
	s := serve(t, []byte("one"), []byte("two"), []byte("three"))
	var waiting atomic.Int32
	together := make(chan struct{})
	host := startFunc(t, func(w http.ResponseWriter, r *http.Request) {
		for _, digest := range s.layers {
			if strings.HasSuffix(r.URL.Path, digest) {
				if waiting.Add(1) == 3 {
					close(together)
				}
				<-together
			}
		}
		s.ServeHTTP(w, r)
	})
	if _, dir, err := attempt(t, t.Context(), host+"/image:v1", nil); err != nil {
		t.Fatal(err)
	} else {
		requireWhole(t, dir, s)
	}
}
