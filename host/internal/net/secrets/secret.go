// Package secrets puts a user's secrets into the requests of a guest that does not know them. The guest has
// placeholders. When it opens a TLS connection to the server of a secret, this program ends the connection
// with a certificate that only this guest trusts, puts the value in the place of the placeholder, and sends
// the request to the server, whose own certificate it has verified.
//
// Values are in the memory of this program only: never in arguments, files, logs or answers.
package secrets

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"banger.dev/host/internal/net/policy/rule"
)

const (
	maxSecrets    = 64
	maxValueBytes = 8 << 10
	// SeedBytes is the length of the seed of an authority.
	SeedBytes = 32
	// placeholders begin with this, and are long enough not to be met by chance
	placeholderStart    = "banger-secret-"
	minPlaceholderBytes = len(placeholderStart) + 24
	maxPlaceholderBytes = len(placeholderStart) + 100
)

// Secret is one secret as the daemon sends it.
type Secret struct {
	// Name is that of the guest's environment variable.
	Name        string `json:"name"`
	Placeholder string `json:"placeholder"`
	Host        string `json:"host"`
	Port        uint16 `json:"port"`
	// Value replaces the placeholder. Without one, the value that is known for the placeholder stays.
	Value string `json:"value,omitempty"`
}

// Config is what the daemon sends: all secrets of the guest.
type Config struct {
	// Seed decides the key of the authority that the guest trusts.
	Seed    []byte   `json:"seed"`
	Secrets []Secret `json:"secrets"`
}

// State is what the daemon is told about a secret.
type State struct {
	Name        string `json:"name"`
	Placeholder string `json:"placeholder"`
	Host        string `json:"host"`
	Port        uint16 `json:"port"`
	IsKnown     bool   `json:"isKnown"`
}

// set is a configuration in force. It does not change.
type set struct {
	seed      [sha256.Size]byte
	secrets   []Secret
	authority *authority
}

// check returns an error that says nothing of values.
func (s Secret) check() error {
	if s.Name == "" || !isPlaceholder(s.Placeholder) {
		return errors.New("a secret has no name or no placeholder")
	}
	if !rule.IsHost(s.Host) || rule.Canonical(s.Host) != s.Host || s.Port == 0 {
		return fmt.Errorf("the secret %q has no host and port", s.Name)
	}
	if len(s.Value) > maxValueBytes {
		return fmt.Errorf("the secret %q is longer than %d bytes", s.Name, maxValueBytes)
	}
	if strings.ContainsFunc(s.Value, func(char rune) bool { return char < ' ' || char == 0x7f }) {
		return fmt.Errorf("the secret %q has a line break or another control character", s.Name)
	}
	if strings.Contains(s.Value, placeholderStart) {
		return fmt.Errorf("the secret %q is a placeholder", s.Name)
	}
	return nil
}

func isPlaceholder(text string) bool {
	rest, isOne := strings.CutPrefix(text, placeholderStart)
	return isOne && len(text) >= minPlaceholderBytes && len(text) <= maxPlaceholderBytes &&
		!strings.ContainsFunc(rest, func(char rune) bool {
			return (char < 'a' || char > 'z') && (char < '0' || char > '9')
		})
}

// newSet returns a configuration. Values that it lacks are those of former.
func newSet(config Config, former *set) (*set, error) {
	if len(config.Secrets) == 0 {
		return &set{}, nil
	}
	if len(config.Secrets) > maxSecrets {
		return nil, fmt.Errorf("there are more than %d secrets", maxSecrets)
	}
	if len(config.Seed) != SeedBytes {
		return nil, errors.New("the seed of the authority has a wrong length")
	}
	made := &set{seed: sha256.Sum256(config.Seed)}
	for _, each := range config.Secrets {
		if err := each.check(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(made.secrets, func(one Secret) bool { return one.Placeholder == each.Placeholder }) {
			return nil, fmt.Errorf("the secret %q has the placeholder of another one", each.Name)
		}
		if each.Value == "" {
			each.Value = former.valueOf(each)
		}
		made.secrets = append(made.secrets, each)
	}
	if former.isSameAuthority(made) {
		made.authority = former.authority
		return made, nil
	}
	var err error
	made.authority, err = newAuthority(config.Seed, made.hosts())
	return made, err
}

// valueOf returns the value of a secret that was the same before, or nothing.
func (s *set) valueOf(wanted Secret) string {
	for _, each := range s.secrets {
		if each.Placeholder == wanted.Placeholder && each.Host == wanted.Host && each.Port == wanted.Port {
			return each.Value
		}
	}
	return ""
}

func (s *set) isSameAuthority(other *set) bool {
	return s.authority != nil && s.seed == other.seed && slices.Equal(s.hosts(), other.hosts())
}

// hosts returns the servers of all secrets, each once, in order.
func (s *set) hosts() []string {
	var hosts []string
	for _, each := range s.secrets {
		hosts = append(hosts, each.Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// of returns the secrets for a port of a server.
func (s *set) of(host string, port uint16) []Secret {
	var found []Secret
	for _, each := range s.secrets {
		if each.Host == host && each.Port == port {
			found = append(found, each)
		}
	}
	return found
}

func (s *set) hasPort(port uint16) bool {
	return slices.ContainsFunc(s.secrets, func(each Secret) bool { return each.Port == port })
}

func (s *set) states() []State {
	states := []State{}
	for _, each := range s.secrets {
		states = append(states, State{each.Name, each.Placeholder, each.Host, each.Port, each.Value != ""})
	}
	return states
}
