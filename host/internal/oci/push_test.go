package oci

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// requests counts what a registry is asked, as "METHOD status" and, for uploads, "upload" and "mount".
type requests struct {
	lock  sync.Mutex
	count map[string]int
}

func (r *requests) add(what string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.count[what]++
}

func (r *requests) of(what string) int {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.count[what]
}

// watchedRegistry is a registry whose requests pass through before, which returns true when it has answered.
func watchedRegistry(t testing.TB, before func(w http.ResponseWriter, r *http.Request) bool) (host string, asked *requests) {
	t.Helper()
	asked = &requests{count: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before != nil && before(w, r) {
			return
		}
		switch {
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/"):
			asked.add("upload")
		case r.URL.Query().Get("mount") != "":
			asked.add("mount")
		case r.Method == http.MethodPut:
			asked.add("manifest")
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), asked
}

// stored brings an image into a new store.
func stored(t testing.TB, made image) string {
	t.Helper()
	store := t.TempDir()
	run(t, importImage, "--store", store, "--from", "oci:"+made.write(t)).ok(t)
	return store
}

func TestAPushedImageIsTheSameWhenItIsPulled(t *testing.T) {
	host, asked := watchedRegistry(t, nil)
	made := simple(t)
	store, digest := stored(t, made), made.manifest.Digest
	pushed := run(t, push, "--store", store, "--manifest", digest, "--ref", host+"/some/image:v1", noAuth(t)).ok(t).Pushed
	if pushed.ManifestDigest != digest || pushed.Reference != host+"/some/image:v1" || pushed.Uploaded != 2 || pushed.Present+pushed.Mounted != 0 {
		t.Errorf("%+v", pushed)
	}
	if pushed.UploadedBytes != int64(made.parts[1].Size+made.parts[2].Size) || asked.of("upload") != 3 {
		t.Errorf("%+v, %d uploads", pushed, asked.of("upload"))
	}
	other := t.TempDir()
	found := run(t, pull, "--store", other, "--ref", host+"/some/image:v1", noAuth(t)).ok(t).Image
	if found.ManifestDigest != digest {
		t.Errorf("found %s", found.ManifestDigest)
	}
	again := run(t, push, "--store", store, "--manifest", digest, "--ref", host+"/some/image:v2", noAuth(t)).ok(t).Pushed
	if again.Present != 2 || again.UploadedBytes != 0 || asked.of("upload") != 3 || asked.of("manifest") != 2 {
		t.Errorf("%+v, %d uploads", again, asked.of("upload"))
	}
}

func TestLayersOfAnotherRepositoryAreMounted(t *testing.T) {
	host, asked := watchedRegistry(t, nil)
	made := simple(t)
	store := stored(t, made)
	args := []string{"--store", store, "--manifest", made.manifest.Digest, noAuth(t)}
	run(t, push, append(args, "--ref", host+"/a/base:v1")...).ok(t)
	before := asked.of("upload")
	pushed := run(t, push, append(args, "--ref", host+"/b/own:v1", "--mount-from", "other.example/x:1", "--mount-from", host+"/a/base:v1")...).ok(t).Pushed
	// This registry shares its blobs: those that it does not have "there" are offered to be mounted.
	if pushed.Uploaded != 0 || pushed.Mounted+pushed.Present != 2 || asked.of("upload") != before {
		t.Errorf("%+v, %d uploads", pushed, asked.of("upload")-before)
	}
}

// A registry that keeps the blobs of its repositories apart, and mounts.
func TestARegistryIsAskedToMountBeforeALayerIsSent(t *testing.T) {
	var mounts sync.Map
	host, asked := watchedRegistry(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/b/own/blobs/") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		if digest := r.URL.Query().Get("mount"); digest != "" {
			mounts.Store(digest, r.URL.Query().Get("from"))
			w.WriteHeader(http.StatusCreated)
			return true
		}
		return false
	})
	made := simple(t)
	store := stored(t, made)
	args := []string{"--store", store, "--manifest", made.manifest.Digest, noAuth(t)}
	run(t, push, append(args, "--ref", host+"/a/base:v1")...).ok(t)
	before := asked.of("upload")
	pushed := run(t, push, append(args, "--ref", host+"/b/own:v1", "--mount-from", host+"/a/base")...).ok(t).Pushed
	if pushed.Mounted != 2 || asked.of("upload") != before {
		t.Errorf("%+v", pushed)
	}
	for _, layer := range made.parts[1:] {
		if from, _ := mounts.Load(layer.Digest); from != "a/base" {
			t.Errorf("%s from %v", layer.Digest, from)
		}
	}
}

func TestAnUploadThatWasCutIsSentAgain(t *testing.T) {
	var cut sync.Once
	host, _ := watchedRegistry(t, func(w http.ResponseWriter, r *http.Request) bool {
		isCut := false
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") {
			cut.Do(func() { isCut = true })
		}
		if isCut {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	made := simple(t)
	store := stored(t, made)
	run(t, push, "--store", store, "--manifest", made.manifest.Digest, "--ref", host+"/some/image:v1", noAuth(t)).ok(t)
	found := run(t, pull, "--store", t.TempDir(), "--ref", host+"/some/image:v1", noAuth(t)).ok(t).Image
	if found.ManifestDigest != made.manifest.Digest {
		t.Errorf("found %s", found.ManifestDigest)
	}
}

func TestAPushUsesTheCredentials(t *testing.T) {
	host, _ := watchedRegistry(t, func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "me" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	made := simple(t)
	args := []string{"--store", stored(t, made), "--manifest", made.manifest.Digest, "--ref", host + "/some/image:v1"}
	auth := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(auth, fmt.Appendf(nil, `{"auths":{%q:{"username":"me","password":"secret"}}}`, host), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, push, append(args, "--auth", auth)...).ok(t)
	if found := run(t, push, append(args, noAuth(t))...); found.code() != "REGISTRY_UNAUTHORIZED" || !strings.Contains(found.Error.Message, "push to") {
		t.Errorf("%+v", found.Error)
	}
}

func TestErrorsOfAPushHaveCodesAndLeaveNoImage(t *testing.T) {
	made := simple(t)
	store, digest := stored(t, made), made.manifest.Digest
	answer := func(method, part string, status int) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method || !strings.Contains(r.URL.Path, part) {
				return false
			}
			w.WriteHeader(status)
			return true
		}
	}
	for what, one := range map[string]struct {
		before func(w http.ResponseWriter, r *http.Request) bool
		code   string
	}{
		"it fails at a layer":          {answer(http.MethodPut, "/blobs/", http.StatusInternalServerError), "REGISTRY_BAD_ANSWER"},
		"it fails at the manifest":     {answer(http.MethodPut, "/manifests/", http.StatusInternalServerError), "REGISTRY_BAD_ANSWER"},
		"it says not where to send to": {answer(http.MethodPost, "/blobs/", http.StatusAccepted), "REGISTRY_BAD_ANSWER"},
		"it takes nothing of this":     {answer(http.MethodPost, "/blobs/", http.StatusForbidden), "REGISTRY_UNAUTHORIZED"},
		"it has no such repository":    {answer(http.MethodPost, "/blobs/", http.StatusNotFound), "REGISTRY_NOT_FOUND"},
	} {
		host, asked := watchedRegistry(t, one.before)
		found := run(t, push, "--store", store, "--manifest", digest, "--ref", host+"/some/image:v1", noAuth(t))
		if found.code() != one.code || found.status != statusFailed || asked.of("manifest") != 0 {
			t.Errorf("%s: %+v", what, found.Error)
		}
	}
	if found := run(t, push, "--store", store, "--manifest", digest, "--ref", "127.0.0.1:9/x:1", noAuth(t)); found.code() != "REGISTRY_UNREACHABLE" {
		t.Errorf("%+v", found.Error)
	}
	host, _ := watchedRegistry(t, nil)
	if found := run(t, push, "--store", store, "--manifest", digest, "--ref", host+"/x@"+digestOf([]byte("other")), noAuth(t)); found.code() != "IMAGE_REFERENCE_INVALID" {
		t.Errorf("%+v", found.Error)
	}
}

func TestADamagedStoreIsNotPushed(t *testing.T) {
	made := simple(t)
	store := stored(t, made)
	layer := filepath.Join(store, "blobs/sha256", strings.TrimPrefix(made.parts[1].Digest, "sha256:"))
	content, err := os.ReadFile(layer)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(layer, content, 0o600); err != nil {
		t.Fatal(err)
	}
	host, asked := watchedRegistry(t, nil)
	found := run(t, push, "--store", store, "--manifest", made.manifest.Digest, "--ref", host+"/some/image:v1", noAuth(t))
	if found.code() != "IMAGE_DAMAGED" || asked.of("manifest") != 0 {
		t.Errorf("%+v", found.Error)
	}
	out := filepath.Join(t.TempDir(), "image.tar")
	if found := run(t, exportImage, "--store", store, "--manifest", made.manifest.Digest, "--out", out); found.code() != "IMAGE_DAMAGED" {
		t.Errorf("%+v", found.Error)
	}
	requireEmpty(t, filepath.Dir(out))
}

func requireEmpty(t testing.TB, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}
