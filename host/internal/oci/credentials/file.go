// Package credentials finds a user's name and password for a registry, where Docker and Podman keep them: in
// their files, or with the programs that these name.
package credentials

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// file is what Docker's config.json and Podman's auth.json have of credentials.
type file struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	} `json:"auths"`
	Helpers map[string]string `json:"credHelpers"`
	Store   string            `json:"credsStore"`
}

const maxFileBytes = 1 << 20

// DefaultFiles are where Podman and Docker keep credentials, in the order in which they count. Not all exist.
func DefaultFiles(getenv func(string) string) []string {
	var files []string
	add := func(dir string, rest ...string) {
		if dir != "" {
			files = append(files, filepath.Join(append([]string{dir}, rest...)...))
		}
	}
	home := getenv("HOME")
	add(getenv("REGISTRY_AUTH_FILE"))
	add(getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if config := getenv("XDG_CONFIG_HOME"); config != "" {
		add(config, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	if docker := getenv("DOCKER_CONFIG"); docker != "" {
		add(docker, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	return files
}

// readFile returns nil for a file that does not exist.
func readFile(path string) (*file, error) {
	opened, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFileBytes)
	}
	var parsed file
	// The error of package json may quote the file, which has passwords.
	if json.Unmarshal(content, &parsed) != nil {
		return nil, fmt.Errorf("%s is not the JSON of a file with credentials", path)
	}
	return &parsed, nil
}

// entry returns what the file itself has for a key.
func (f *file) entry(key string) (authn.AuthConfig, bool) {
	for name, entry := range f.Auths {
		if normalise(name) != key {
			continue
		}
		found := authn.AuthConfig{
			Username: entry.Username, Password: entry.Password,
			IdentityToken: entry.IdentityToken, RegistryToken: entry.RegistryToken,
		}
		if decoded, err := base64.StdEncoding.DecodeString(entry.Auth); err == nil && len(decoded) > 0 {
			user, password, _ := strings.Cut(string(decoded), ":")
			found.Username, found.Password = user, strings.TrimRight(password, "\x00")
		}
		if found != (authn.AuthConfig{}) {
			return found, true
		}
	}
	return authn.AuthConfig{}, false
}
