package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

func storeDir(o *Options) string { return o.Store.Dir() }

func TestAMirrorComesFirst(t *testing.T) {
	s := serve(t, layer)
	var asked []string
	mirror := startFunc(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		s.ServeHTTP(w, r)
	})
	dead := start(t, http.NotFoundHandler())
	for at, mirrors := range map[string][]Mirror{
		"registry.example/team/image:v1": {{Host: "registry.example", At: mirror, Prefix: "cache/example", IsInsecure: true}},
		"image:v1":                       {{Host: "docker.io", At: dead, IsInsecure: true}, {Host: "docker.io", At: mirror, IsInsecure: true}},
	} {
		asked = nil
		_, dir, err := attempt(t, t.Context(), at, func(o *Options) { o.Mirrors = mirrors })
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		requireWhole(t, dir, s)
		want := "/v2/library/image/manifests/v1"
		if strings.HasPrefix(at, "registry") {
			want = "/v2/cache/example/team/image/manifests/v1"
		}
		if len(asked) < 4 || asked[1] != want {
			t.Errorf("%s: asked for %q", at, asked)
		}
	}
}

func TestARegistryWithoutTLSMustBeNamed(t *testing.T) {
	guard := newGuard([]string{"named.example:5000", "other.example"}, time.Second)
	for host, isInsecure := range map[string]bool{
		"localhost:5000": true, "127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true, "x.localhost:1": true,
		"named.example:5000": true, "other.example:1": true, "named.example": false, "named.example:5001": false,
		"10.0.0.1:5000": false, "192.168.0.1": false, "printer.local:5000": false, "127.0.0.1.example": false, "localhost.example": false,
	} {
		if guard.isInsecure(host) != isInsecure {
			t.Errorf("%s: %v", host, !isInsecure)
		}
		request := httptest.NewRequest(http.MethodGet, "http://"+host+"/v2/", nil).WithContext(t.Context())
		if isInsecure {
			continue
		}
		_, err := guard.RoundTrip(request)
		requireCode(t, err, "REGISTRY_UNREACHABLE")
	}
}

func TestARegistryWithAnUnknownCertificateMustBeNamed(t *testing.T) {
	s := serve(t, layer)
	server := httptest.NewTLSServer(s)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	if _, dir, err := attempt(t, t.Context(), host+"/image:v1", nil); err != nil {
		t.Errorf("on this host: %v", err)
	} else {
		requireWhole(t, dir, s)
	}
}

func TestReferencesHaveAFullForm(t *testing.T) {
	for text, full := range map[string]string{
		"alpine": "docker.io/library/alpine:latest", "alpine:3.20": "docker.io/library/alpine:3.20", "docker.io/a/b": "docker.io/a/b:latest",
		"localhost:5000/x": "localhost:5000/x:latest", "localhost/x:1": "localhost/x:1",
		"localhost:5000/x@sha256:" + strings.Repeat("a", 64): "localhost:5000/x@sha256:" + strings.Repeat("a", 64),
	} {
		parsed, err := ParseReference(text)
		if err != nil || FullName(parsed) != full {
			t.Errorf("%s: %v %v", text, parsed, err)
		}
	}
	for _, text := range []string{"", "A", "a b", "a:", "a@sha256:1", "https://a/b", "../a", "a/../b", strings.Repeat("a", 300), "a:\x00"} {
		if _, err := ParseReference(text); err == nil {
			t.Errorf("%q is accepted", text)
		} else {
			requireCode(t, err, "IMAGE_REFERENCE_INVALID")
		}
	}
}

func TestMirrorsHaveAForm(t *testing.T) {
	for text, want := range map[string]Mirror{
		"docker.io=https://mirror.example/a/b/": {"docker.io", "mirror.example", "a/b", false},
		"docker.io=http://localhost:5000":       {"docker.io", "localhost:5000", "", true},
		"docker.io=mirror.example":              {"docker.io", "mirror.example", "", false},
	} {
		if found, err := ParseMirror(text); err != nil || found != want {
			t.Errorf("%s: %+v %v", text, found, err)
		}
	}
	for _, text := range []string{"", "x", "=https://a", "x=", "x=ftp://a", "x=https://user:password@a", "x=https://a?b"} {
		if found, err := ParseMirror(text); err == nil {
			t.Errorf("%s: %+v", text, found)
		}
	}
	registry, err := name.NewRegistry("")
	if err != nil || !(Mirror{Host: "docker.io"}).isOf(registry) || (Mirror{Host: "quay.example"}).isOf(registry) {
		t.Errorf("the default registry: %v", err)
	}
}
