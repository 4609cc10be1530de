package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"banger.dev/host/internal/oci/fault"
)

// explain returns an error with a code for what went wrong at a registry.
func (s *source) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if known, isKnown := fault.Of(err); isKnown {
		return known
	}
	registry := s.repository.RegistryStr()
	var answer *transport.Error
	if errors.As(err, &answer) {
		return s.explainStatus(answer)
	}
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	if errors.As(err, &certificate) || errors.As(err, &authority) {
		return fault.Final(fault.Unreachable, "Cannot trust the registry %q: %v", registry, causeOf(err)).
			WithHint("add its authority to this host's certificates, or name the registry as insecure")
	}
	var failed net.Error
	var dns *net.DNSError
	var operation *net.OpError
	switch {
	case errors.As(err, &dns):
		return fault.New(fault.Unreachable, "Cannot reach the registry %q: %v", registry, dns).
			WithHint("check the name, and this host's network and proxy")
	case errors.As(err, &failed) && failed.Timeout():
		return fault.New(fault.Unreachable, "Cannot reach the registry %q: it does not answer in time", registry)
	case errors.As(err, &operation) && operation.Op == "dial":
		return fault.New(fault.Unreachable, "Cannot reach the registry %q: %v", registry, operation.Err).
			WithHint("check the name, and this host's network and proxy")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &operation):
		return fault.New(fault.BadAnswer, "Cannot read from the registry %q: it closed the connection", registry)
	}
	return fault.New(fault.BadAnswer, "Cannot read from the registry %q: %v", registry, causeOf(err))
}

// causeOf removes the URL, which may have a token in it.
func causeOf(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func (s *source) explainStatus(answer *transport.Error) error {
	what := s.repository.Name()
	said := ""
	if len(answer.Errors) > 0 && answer.Errors[0].Message != "" {
		said = ", it says " + quoted(answer.Errors[0].Message)
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		err := fault.Final(fault.Unauthorized, "Cannot %s %q: there is no such repository, or you may not use it so%s", s.doing, what, said)
		if len(s.problems) > 0 {
			return err.WithHint("credentials could not be read: %s", strings.Join(s.problems, "; "))
		}
		return err.WithHint("log in with docker login or podman login, and check the name")
	case http.StatusNotFound:
		return fault.Final(fault.NotFound, "Cannot %s %q: there is no such repository or tag%s", s.doing, what, said).
			WithHint("check the name and the tag")
	case http.StatusTooManyRequests:
		return fault.New(fault.BadAnswer, "Cannot %s %q: the registry limits how often you may do that%s", s.doing, what, said).
			WithHint("wait, log in, or configure a mirror")
	}
	return fault.New(fault.BadAnswer, "Cannot %s %q: the registry answers with the status %d%s", s.doing, what, answer.StatusCode, said)
}

const maxQuoted = 200

// quoted returns a text of a registry without anything that a terminal would act on.
func quoted(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(clean) > maxQuoted {
		clean = strings.ToValidUTF8(clean[:maxQuoted], "") + "…"
	}
	return "\"" + clean + "\""
}
