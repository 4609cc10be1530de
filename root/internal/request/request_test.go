package request

import (
	"encoding/json"
	"strings"
	"testing"

	"banger.dev/root/internal/refusal"
)

func line(operation, params string) []byte {
	return []byte(`{"version":1,"operation":"` + operation + `","operation_id":"op-1","params":` + params + `}`)
}

func TestParseAcceptsEachOperation(t *testing.T) {
	examples := map[string]string{
		"status":         `{}`,
		"bridge.ensure":  `{"bridge":"br-fc","address":"172.16.0.1","prefix":24}`,
		"bridge.delete":  `{"bridge":"br-fc-two"}`,
		"tap.create":     `{"tap":"bgr-0","bridge":"br-fc"}`,
		"tap.assign":     `{"tap":"bgr-0","address":"172.16.0.2"}`,
		"tap.delete":     `{"tap":"bgr-0"}`,
		"nat.on":         `{"tap":"bgr-0","address":"172.16.0.2"}`,
		"nat.off":        `{"tap":"bgr-0"}`,
		"resolver.set":   `{"bridge":"br-fc","server":"127.0.0.1:42069"}`,
		"resolver.clear": `{"bridge":"br-fc"}`,
	}
	for _, name := range Names() {
		made, err := Parse(line(name, examples[name]))
		if err != nil || made.Name != name || made.OperationID != "op-1" || made.Operation == nil {
			t.Errorf("%s: %+v, %v", name, made, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	cases := map[string]string{
		"no JSON":                  `tap.create`,
		"an array":                 `[]`,
		"null":                     `null`,
		"nothing":                  ``,
		"two requests":             string(line("status", `{}`)) + string(line("status", `{}`)),
		"another version":          `{"version":2,"operation":"status"}`,
		"no version":               `{"operation":"status"}`,
		"an unknown operation":     `{"version":1,"operation":"shell"}`,
		"an unknown field":         `{"version":1,"operation":"status","as":"root"}`,
		"an unknown parameter":     string(line("status", `{"a":1}`)),
		"null parameters":          string(line("status", `null`)),
		"a long operation id":      `{"version":1,"operation":"status","operation_id":"` + strings.Repeat("a", 65) + `"}`,
		"a line in the id":         `{"version":1,"operation":"status","operation_id":"a\nb"}`,
		"an empty id":              `{"version":1,"operation":"status","operation_id":""}`,
		"no tap":                   string(line("tap.create", `{"bridge":"br-fc"}`)),
		"a null tap":               string(line("tap.delete", `{"tap":null}`)),
		"no bridge":                string(line("tap.create", `{"tap":"bgr-0"}`)),
		"another bridge":           string(line("bridge.delete", `{"bridge":"docker0"}`)),
		"a bridge that looks ours": string(line("bridge.delete", `{"bridge":"br-fcx"}`)),
		"a long bridge":            string(line("bridge.delete", `{"bridge":"br-fc-aaaaaaaaaa"}`)),
		"a bridge with a dot":      string(line("bridge.delete", `{"bridge":"br-fc-../"}`)),
		"a bridge with a newline":  string(line("bridge.delete", `{"bridge":"br-fc\n"}`)),
		"a bridge with a NUL":      string(line("bridge.delete", `{"bridge":"br-fc\u0000"}`)),
		"another interface":        string(line("tap.delete", `{"tap":"eth0"}`)),
		"a long tap":               string(line("tap.delete", `{"tap":"bgr-aaaaaaaaaaaa"}`)),
		"a tap with a pattern":     string(line("tap.delete", `{"tap":"bgr-%d"}`)),
		"a tap of capitals":        string(line("tap.delete", `{"tap":"BGR-1"}`)),
		"an address as a number":   string(line("nat.on", `{"tap":"bgr-0","address":1}`)),
		"a public address":         string(line("nat.on", `{"tap":"bgr-0","address":"8.8.8.8"}`)),
		"IPv6":                     string(line("nat.on", `{"tap":"bgr-0","address":"fd00::1"}`)),
		"IPv4 in IPv6":             string(line("nat.on", `{"tap":"bgr-0","address":"::ffff:10.0.0.1"}`)),
		"loopback":                 string(line("nat.on", `{"tap":"bgr-0","address":"127.0.0.1"}`)),
		"link-local":               string(line("nat.on", `{"tap":"bgr-0","address":"169.254.169.254"}`)),
		"an address in octal":      string(line("nat.on", `{"tap":"bgr-0","address":"010.0.0.1"}`)),
		"a subnet":                 string(line("nat.on", `{"tap":"bgr-0","address":"10.0.0.1/8"}`)),
		"prefix 0":                 string(line("bridge.ensure", `{"bridge":"br-fc","address":"10.0.0.1","prefix":0}`)),
		"prefix 7":                 string(line("bridge.ensure", `{"bridge":"br-fc","address":"10.0.0.1","prefix":7}`)),
		"prefix 33":                string(line("bridge.ensure", `{"bridge":"br-fc","address":"10.0.0.1","prefix":33}`)),
		"prefix 8.5":               string(line("bridge.ensure", `{"bridge":"br-fc","address":"10.0.0.1","prefix":8.5}`)),
		"a subnet that is public":  string(line("bridge.ensure", `{"bridge":"br-fc","address":"172.16.0.1","prefix":8}`)),
		"a server elsewhere":       string(line("resolver.set", `{"bridge":"br-fc","server":"8.8.8.8:53"}`)),
		"a server's name":          string(line("resolver.set", `{"bridge":"br-fc","server":"localhost:53"}`)),
		"port 0":                   string(line("resolver.set", `{"bridge":"br-fc","server":"127.0.0.1:0"}`)),
		"an option as a server":    string(line("resolver.set", `{"bridge":"br-fc","server":"--help"}`)),
		"deep nesting":             `{"version":1,"operation":"status","params":` + strings.Repeat("[", 20000) + `}`,
		"too much":                 `{"version":1,"operation":"status"` + strings.Repeat(" ", MaxBytes) + `}`,
	}
	for name, text := range cases {
		made, err := Parse([]byte(text))
		if err == nil {
			t.Errorf("%s is accepted: %+v", name, made)
		} else if refusal.Of(err).Code != refusal.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
		if made.Operation != nil {
			t.Errorf("%s: an operation comes with the error", name)
		}
	}
}

func TestRefusedRequestsKeepWhatTheAuditLogNeeds(t *testing.T) {
	made, err := Parse(line("tap.delete", `{"tap":"eth0"}`))
	if err == nil || made.Name != "tap.delete" || made.OperationID != "op-1" {
		t.Errorf("%+v, %v", made, err)
	}
}

// FuzzParse checks that what is accepted has only values that are ours, however the request is written.
func FuzzParse(f *testing.F) {
	f.Add(line("bridge.ensure", `{"bridge":"br-fc","address":"172.16.0.1","prefix":24}`))
	f.Add(line("tap.create", `{"tap":"bgr-0","bridge":"br-fc-x","TAP":"eth0"}`))
	f.Add(line("nat.on", `{"tap":"bgr-0","address":"10.0.0.1"}`))
	f.Add(line("resolver.set", `{"bridge":"br-fc","server":"127.0.0.1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		made, err := Parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(made.Operation)
		if err != nil {
			t.Fatal(err)
		}
		var values map[string]any
		if err := json.Unmarshal(again, &values); err != nil {
			t.Fatal(err)
		}
		if tap, has := values["tap"].(string); has && !tapPattern.MatchString(tap) {
			t.Errorf("tap %q", tap)
		}
		if bridge, has := values["bridge"].(string); has && !bridgePattern.MatchString(bridge) {
			t.Errorf("bridge %q", bridge)
		}
		if ensure, is := made.Operation.(*BridgeEnsure); is && !isPrivate(ensure.Subnet()) {
			t.Errorf("subnet %v", ensure.Subnet())
		}
	})
}
