package helper

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"banger.dev/root/internal/refusal"
	"banger.dev/root/internal/request"
)

func TestOnlySubnetsThatRootAllowsAreUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subnets")
	subnet := netip.MustParsePrefix("172.20.3.1/24")
	if err := refuseSubnet(file, subnet); err != nil {
		t.Errorf("without a file: %v", err)
	}
	for content, code := range map[string]refusal.Code{
		"# ours\n\n172.20.0.0/16\n":   "",
		"10.0.0.0/8\n 172.20.3.0/24 ": "",
		"172.20.3.0/25\n":             refusal.Conflict,
		"10.0.0.0/8\n":                refusal.Conflict,
		"":                            refusal.Conflict,
		"172.20.0.0/16\nall\n":        refusal.Unavailable,
		"172.20.3.1\n":                refusal.Unavailable,
		"#" + strings.Repeat("x", 70<<10) + "\n172.20.0.0/16": refusal.Unavailable,
	} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		err := refuseSubnet(file, subnet)
		if err == nil && code != "" || err != nil && refusal.Of(err).Code != code {
			t.Errorf("%.30q: %v", content, err)
		}
	}
	if err := refuseSubnet(t.TempDir(), subnet); err == nil {
		t.Error("a file that cannot be read allows all")
	}
}

func TestABridgeNeedsASubnetThatRootAllows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subnets")
	if err := os.WriteFile(file, []byte("10.0.0.0/8\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := &Helper{Owner: 4711, Subnets: file}
	line := `{"version":1,"operation":"bridge.ensure","params":{"bridge":"br-fc-no","address":"172.20.3.1","prefix":24}}`
	made, err := request.Parse([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Do(t.Context(), made.Operation); err == nil || refusal.Of(err).Code != refusal.Conflict || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}
