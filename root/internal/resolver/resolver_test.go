package resolver

import (
	"net/netip"
	"testing"
)

func TestAServerIsSetAfterWhatKeepsOtherNamesFromIt(t *testing.T) {
	made := settings("br-fc", netip.MustParseAddrPort("127.0.0.1:42069"))
	for i, word := range []string{"default-route", "domain", "dns"} {
		if made[i][0] != word {
			t.Errorf("step %d is %v, not %s", i, made[i], word)
		}
	}
}
