package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

const (
	helperPrefix   = "docker-credential-"
	helperDeadline = 30 * time.Second
	maxHelperBytes = 64 << 10
	// tokenUser is the name of a user whose secret is a token of the registry.
	tokenUser = "<token>"
	// notFound is what helpers print when they have nothing.
	notFound = "credentials not found"
)

var helperName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// ask gets the credentials for a registry from a helper program.
func ask(ctx context.Context, helper, registry string) (authn.AuthConfig, bool, error) {
	var none authn.AuthConfig
	if !helperName.MatchString(helper) {
		return none, false, fmt.Errorf("%q is no name of a credential helper", helper)
	}
	program := helperPrefix + helper
	ctx, cancel := context.WithTimeout(ctx, helperDeadline)
	defer cancel()
	run := exec.CommandContext(ctx, program, "get")
	run.Stdin = strings.NewReader(serverOf(registry))
	run.WaitDelay = time.Second
	out := &bounded{most: maxHelperBytes}
	run.Stdout = out
	err := run.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return none, false, fmt.Errorf("the credential helper %q is not installed", program)
	case err != nil && strings.Contains(strings.ToLower(out.String()), notFound):
		return none, false, nil
	case err != nil:
		return none, false, fmt.Errorf("the credential helper %q failed: %w", program, err)
	}
	var said struct{ Username, Secret string }
	if json.Unmarshal(out.Bytes(), &said) != nil {
		return none, false, fmt.Errorf("the credential helper %q printed something else than credentials", program)
	}
	if said.Username == tokenUser {
		return authn.AuthConfig{IdentityToken: said.Secret}, said.Secret != "", nil
	}
	return authn.AuthConfig{Username: said.Username, Password: said.Secret}, said.Username != "", nil
}

// serverOf returns the name under which helpers have a registry.
func serverOf(registry string) string {
	if registry == name.DefaultRegistry {
		return authn.DefaultAuthKey
	}
	return registry
}

// bounded keeps the first bytes of an output.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), b.most-b.Len())])
	return len(p), nil
}
