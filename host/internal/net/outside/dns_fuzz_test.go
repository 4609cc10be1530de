package outside

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"banger.dev/host/internal/net/gate"
)

// FuzzResolve checks that any bytes of a guest are answered with a DNS message or not at all, and that no
// gate is asked about what is no query.
func FuzzResolve(f *testing.F) {
	question := dnsmessage.Question{Name: dnsmessage.MustNewName("Good.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	query, err := (&dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{question}}).Pack()
	if err != nil {
		f.Fatal(err)
	}
	two, err := (&dnsmessage.Message{Questions: []dnsmessage.Question{question, question}}).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query)
	f.Add(two)
	f.Add(query[:14])
	network := &Network{gate: closed{}}
	f.Fuzz(func(t *testing.T, query []byte) {
		answer := network.resolve(query, "udp")
		if answer == nil {
			return
		}
		var parsed dnsmessage.Message
		if err := parsed.Unpack(answer); err != nil {
			t.Fatalf("the answer is no message: %v", err)
		}
		if !parsed.Response || parsed.RCode != dnsmessage.RCodeRefused && parsed.RCode != dnsmessage.RCodeFormatError {
			t.Fatalf("answered with %v", parsed.Header)
		}
	})
}

// FuzzContentOf checks that any answer of a nameserver is read or refused whole.
func FuzzContentOf(f *testing.F) {
	name := dnsmessage.MustNewName("good.test.")
	answer, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{Response: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{
			{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}, Body: &dnsmessage.CNAMEResource{CNAME: name}},
			{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
		},
	}).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(answer)
	f.Fuzz(func(t *testing.T, answer []byte) {
		_, addresses, err := contentOf(answer)
		if err != nil && addresses != nil {
			t.Fatal("a damaged answer has addresses")
		}
		for _, each := range addresses {
			if !each.Addr.IsValid() || each.TTL < 0 {
				t.Fatalf("%+v", each)
			}
		}
	})
}

// closed allows nothing.
type closed struct{ gate.Open }

func (closed) Query(string, uint16) gate.Verdict { return gate.Verdict{} }
