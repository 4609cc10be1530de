package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"banger.dev/host/internal/net/policy/rule"
)

// Mode is what a policy does with what no rule is for.
type Mode string

// The modes.
const (
	// Unrestricted allows everything outside the host.
	Unrestricted Mode = "open"
	// Enforce allows what a rule allows.
	Enforce Mode = "enforce"
	// Learn allows everything outside the host and remembers it.
	Learn Mode = "learn"
)

const (
	maxRules       = 1024
	maxConfigBytes = 512 << 10
)

// Config is a policy as the daemon writes it.
type Config struct {
	Mode  Mode         `json:"mode"`
	Rules []ConfigRule `json:"rules,omitempty"`
	// Presets are the rules that presets stand for on this host, for suggestions.
	Presets []ConfigRule `json:"presets,omitempty"`
}

// ConfigRule is a rule in the form that users write, and the preset that it came from.
type ConfigRule struct {
	Rule string `json:"rule"`
	From string `json:"from,omitempty"`
}

// Decode reads a Config of JSON. Values that it does not know are errors: ignoring one could allow too much.
func Decode(text []byte) (Config, error) {
	var config Config
	if len(text) > maxConfigBytes {
		return config, fmt.Errorf("the policy is larger than %d bytes", maxConfigBytes)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return config, fmt.Errorf("cannot read the policy: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return config, errors.New("cannot read the policy: text follows it")
	}
	return config, nil
}

// parse returns the rules of a configuration.
func (c Config) parse() (rules, presets []rule.Rule, err error) {
	if c.Mode != Unrestricted && c.Mode != Enforce && c.Mode != Learn {
		return nil, nil, fmt.Errorf("the policy has an unknown mode %q", c.Mode)
	}
	if rules, err = parseRules(c.Rules); err != nil {
		return nil, nil, err
	}
	presets, err = parseRules(c.Presets)
	return rules, presets, err
}

func parseRules(texts []ConfigRule) ([]rule.Rule, error) {
	if len(texts) > maxRules {
		return nil, fmt.Errorf("the policy has more than %d rules", maxRules)
	}
	rules := make([]rule.Rule, 0, len(texts))
	for _, each := range texts {
		parsed, err := rule.Parse(each.Rule)
		if err != nil {
			return nil, err
		}
		parsed.From = each.From
		rules = append(rules, parsed)
	}
	return rules, nil
}
