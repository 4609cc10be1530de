package credentials

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

func repository(t testing.TB, text string) name.Repository {
	t.Helper()
	found, err := name.NewRepository(text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func auth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func find(t testing.TB, at string, files ...string) (authn.AuthConfig, []string) {
	t.Helper()
	found := Find(t.Context(), files, repository(t, at))
	config, err := found.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	return *config, found.Problems
}

func TestTheMostSpecificEntryCounts(t *testing.T) {
	file := write(t, fmt.Sprintf(`{"auths":{
		"registry.example":{"auth":%q},"registry.example/team":{"auth":%q},"registry.example/team/image":{"username":"image","password":"3"},
		%q:{"auth":%q},"http://old.example/v2/":{"auth":%q},"localhost:5000":{"identitytoken":"t"},"empty.example":{}}}`,
		auth("host", "1"), auth("team", "2:with colon"), authn.DefaultAuthKey, auth("hub", "4"), auth("old", "5")))
	for at, want := range map[string]authn.AuthConfig{
		"registry.example/x":                {Username: "host", Password: "1"},
		"registry.example/team/other/image": {Username: "team", Password: "2:with colon"},
		"registry.example/team/image":       {Username: "image", Password: "3"},
		"registry.example/teams/image":      {Username: "host", Password: "1"},
		"alpine":                            {Username: "hub", Password: "4"},
		"docker.io/team/image":              {Username: "hub", Password: "4"},
		"old.example/x":                     {Username: "old", Password: "5"},
		"localhost:5000/x":                  {IdentityToken: "t"},
		"localhost:5001/x":                  {},
		"empty.example/x":                   {},
		"sub.registry.example/x":            {},
	} {
		if found, problems := find(t, at, file); found != want || len(problems) > 0 {
			t.Errorf("%s: %+v %v", at, found, problems)
		}
	}
}

func TestTheFirstFileThatHasAnEntryCounts(t *testing.T) {
	one := write(t, fmt.Sprintf(`{"auths":{"a.example":{"auth":%q}}}`, auth("one", "1")))
	two := write(t, fmt.Sprintf(`{"auths":{"a.example":{"auth":%q},"b.example":{"auth":%q}}}`, auth("two", "2"), auth("two", "2")))
	missing := filepath.Join(t.TempDir(), "none")
	for at, want := range map[string]string{"a.example/x": "one", "b.example/x": "two"} {
		if found, problems := find(t, at, missing, one, two); found.Username != want || len(problems) > 0 {
			t.Errorf("%s: %+v %v", at, found, problems)
		}
	}
}

func TestAFileThatCannotBeReadIsAProblemWithoutItsContent(t *testing.T) {
	for _, content := range []string{`{"auths":{"a":"secret"}}`, `secret`, strings.Repeat("secret", 1<<20)} {
		found, problems := find(t, "a.example/x", write(t, content))
		if found != (authn.AuthConfig{}) || len(problems) != 1 || strings.Contains(problems[0], "secret") {
			t.Errorf("%+v %q", found, problems)
		}
	}
}

// helper puts a credential helper into PATH.
func helper(t testing.TB, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestHelpersAreAsked(t *testing.T) {
	helper(t, `read -r server; test "$1" = get || exit 9
		case $server in
		`+authn.DefaultAuthKey+`) echo '{"Username":"hub","Secret":"1"}' ;;
		token.example) echo '{"Username":"<token>","Secret":"2"}' ;;
		fails.example) echo secret; exit 1 ;;
		odd.example) echo secret ;;
		*) echo credentials not found in native keychain; exit 1 ;;
		esac`)
	store := write(t, fmt.Sprintf(`{"credsStore":"test","auths":{"plain.example":{"auth":%q},"token.example":{}}}`, auth("plain", "3")))
	one := write(t, `{"credHelpers":{"token.example":"test","missing.example":"missing","evil.example":"../../bin/sh"}}`)
	for _, c := range []struct {
		file, at string
		want     authn.AuthConfig
		problems int
	}{
		{store, "alpine", authn.AuthConfig{Username: "hub", Password: "1"}, 0},
		{store, "token.example/x", authn.AuthConfig{IdentityToken: "2"}, 0},
		{store, "plain.example/x", authn.AuthConfig{Username: "plain", Password: "3"}, 0},
		{store, "other.example/x", authn.AuthConfig{}, 0},
		{store, "fails.example/x", authn.AuthConfig{}, 1},
		{store, "odd.example/x", authn.AuthConfig{}, 1},
		{one, "token.example/x", authn.AuthConfig{IdentityToken: "2"}, 0},
		{one, "alpine", authn.AuthConfig{}, 0},
		{one, "missing.example/x", authn.AuthConfig{}, 1},
		{one, "evil.example/x", authn.AuthConfig{}, 1},
	} {
		found, problems := find(t, c.at, c.file)
		if found != c.want || len(problems) != c.problems || strings.Contains(fmt.Sprint(problems), "secret") {
			t.Errorf("%s: %+v %q", c.at, found, problems)
		}
	}
}

func TestFilesAreThoseOfPodmanAndDocker(t *testing.T) {
	env := map[string]string{"HOME": "/h"}
	getenv := func(key string) string { return env[key] }
	if found := DefaultFiles(getenv); !slices.Equal(found, []string{"/h/.config/containers/auth.json", "/h/.docker/config.json"}) {
		t.Errorf("%q", found)
	}
	env = map[string]string{"HOME": "/h", "REGISTRY_AUTH_FILE": "/r", "XDG_RUNTIME_DIR": "/run/u", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"}
	want := []string{"/r", "/run/u/containers/auth.json", "/c/containers/auth.json", "/d/config.json"}
	if found := DefaultFiles(getenv); !slices.Equal(found, want) {
		t.Errorf("%q", found)
	}
}
