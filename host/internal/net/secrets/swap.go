package secrets

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
)

// swap puts values in the place of placeholders in one request.
type swap struct {
	secrets []Secret
	// used are the names of the secrets whose values the request has.
	used map[string]bool
	// missing is the name of a secret that the request needs and whose value is not known.
	missing string
	// sent are the texts that the server may have got in the place of others.
	sent []pair
}

// pair is a text of the guest, and what was sent for it.
type pair struct{ guest, sent string }

// newSwap returns a swap for a server. All values that the server may have got, also by an earlier request,
// are taken out of its answer.
func newSwap(secrets []Secret) *swap {
	made := &swap{secrets: secrets, used: make(map[string]bool)}
	for _, each := range secrets {
		for _, form := range formsOf(each.Value) {
			made.note(each.Placeholder, form)
		}
	}
	return made
}

// formsOf returns a value as servers write it: as it is, in a URL, in JSON and in HTML.
func formsOf(value string) []string {
	if value == "" {
		return nil
	}
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value)}
	if quoted, err := json.Marshal(value); err == nil {
		inJSON := string(quoted[1 : len(quoted)-1])
		forms = append(forms, inJSON, strings.ReplaceAll(inJSON, "/", `\/`))
	}
	plain := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)
	return append(forms, plain, strings.ReplaceAll(plain, "/", `\/`))
}

// header replaces the values of all fields, which it changes in place.
func (s *swap) header(header http.Header) {
	for name, values := range header {
		for at, value := range values {
			if basic, isBasic := s.basic(name, value); isBasic {
				values[at] = basic
				continue
			}
			values[at] = s.text(value, func(value string) string { return value })
		}
	}
}

// query replaces in the raw query of a URL.
func (s *swap) query(raw string) string { return s.text(raw, url.QueryEscape) }

// text replaces each placeholder in a text once: what a value contains is no placeholder.
func (s *swap) text(text string, encode func(string) string) string {
	if !strings.Contains(text, placeholderStart) {
		return text
	}
	var pairs []string
	for _, each := range s.secrets {
		if !strings.Contains(text, each.Placeholder) {
			continue
		}
		if each.Value == "" {
			s.missing = each.Name
			continue
		}
		s.used[each.Name] = true
		encoded := encode(each.Value)
		pairs = append(pairs, each.Placeholder, encoded)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (s *swap) note(guest, sent string) {
	for _, each := range s.sent {
		if each.sent == sent {
			return
		}
	}
	s.sent = append(s.sent, pair{guest, sent})
}

// basic replaces in the user and the password of Basic authentication. It reports whether there was something
// to replace.
func (s *swap) basic(name, value string) (string, bool) {
	if name != "Authorization" || len(value) < len("Basic ") || !strings.EqualFold(value[:len("Basic ")], "Basic ") {
		return "", false
	}
	word := strings.TrimSpace(value[len("Basic "):])
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(word, "="))
	if err != nil {
		return "", false
	}
	replaced := s.text(string(decoded), func(value string) string { return value })
	if replaced == string(decoded) {
		return "", false
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(replaced))
	s.note(word, encoded)
	return value[:len("Basic ")] + encoded, true
}
