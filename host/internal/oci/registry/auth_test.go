package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// authFile is a file with the user "me" and a password for a registry.
func authFile(t testing.TB, host, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.json")
	auth := base64.StdEncoding.EncodeToString([]byte("me:" + password))
	if err := os.WriteFile(path, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func with(files ...string) func(*Options) {
	return func(o *Options) { o.AuthFiles = files }
}

// basic is a registry that wants the user "me" with the password "secret".
func basic(s served) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	}
}

func TestBasicAuth(t *testing.T) {
	s := serve(t, layer)
	host := start(t, basic(s))
	if _, dir, err := attempt(t, t.Context(), host+"/image:v1", with(authFile(t, host, "secret"))); err != nil {
		t.Error(err)
	} else {
		requireWhole(t, dir, s)
	}
	for what, change := range map[string]func(*Options){"none": nil, "wrong": with(authFile(t, host, "other")), "another's": with(authFile(t, "example.com", "secret"))} {
		_, _, err := attempt(t, t.Context(), host+"/image:v1", change)
		requireCode(t, err, "REGISTRY_UNAUTHORIZED")
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// bearer is a registry with tokens. They are for one repository.
func bearer(t testing.TB, s served, user, password string) string {
	t.Helper()
	host := ""
	host = startFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			if found, secret, _ := r.BasicAuth(); found != user || secret != password {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "for " + r.URL.Query().Get("scope")})
			return
		}
		if r.Header.Get("Authorization") != "Bearer for repository:some/image:pull" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:some/image:pull"`, host))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	})
	return host
}

func TestBearerAuth(t *testing.T) {
	s := serve(t, layer)
	anonymous := bearer(t, s, "", "")
	if _, dir, err := attempt(t, t.Context(), anonymous+"/some/image:v1", nil); err != nil {
		t.Error(err)
	} else {
		requireWhole(t, dir, s)
	}
	named := bearer(t, s, "me", "secret")
	if _, _, err := attempt(t, t.Context(), named+"/some/image:v1", with(authFile(t, named, "secret"))); err != nil {
		t.Error(err)
	}
	_, _, err := attempt(t, t.Context(), named+"/some/image:v1", nil)
	requireCode(t, err, "REGISTRY_UNAUTHORIZED")
}

func TestCredentialsAreNotSentToAnotherHost(t *testing.T) {
	s := serve(t, layer)
	var lock sync.Mutex
	var sent []string
	elsewhere := startFunc(t, func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		sent = append(sent, r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		lock.Unlock()
		s.ServeHTTP(w, r)
	})
	redirecting := func(inner http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") && r.Header.Get("Authorization") != "" {
				http.Redirect(w, r, "http://"+elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			inner(w, r)
		}
	}
	host := startFunc(t, redirecting(basic(s)))
	_, dir, err := attempt(t, t.Context(), host+"/some/image:v1", with(authFile(t, host, "secret")))
	if err != nil {
		t.Fatal(err)
	}
	requireWhole(t, dir, s)
	if len(sent) != 2 || sent[0] != "" || sent[1] != "" {
		t.Errorf("sent %q", sent)
	}
}
