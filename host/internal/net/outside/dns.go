package outside

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"banger.dev/host/internal/net/gate"
)

// How long one nameserver may take. A guest's own resolver gives up after 5 s.
const nameserverDeadline = 2 * time.Second

// maxMessage is the most bytes of a DNS message.
const maxMessage = 64<<10 - 1

// idleTCPQueries is how long a guest's connection for queries may be silent.
const idleTCPQueries = 10 * time.Second

// serveQueries answers the guest's DNS queries of one port.
func (n *Network) serveQueries(opened *flow, queue *waiter.Queue) {
	defer n.remove(opened)
	n.eachDatagram(opened, queue, func(datagram []byte) {
		query := bytes.Clone(datagram)
		if !n.queries.take() {
			// The guest asks again.
			n.Counters.Failed.Add(1)
			return
		}
		go func() {
			defer n.queries.release()
			if answer := n.resolve(query, "udp"); answer != nil {
				_, _ = opened.guest.Write(bytes.NewReader(answer), tcpip.WriteOptions{})
			}
		}()
	})
}

// acceptTCPQueries answers the guest's DNS queries of one connection.
func (n *Network) acceptTCPQueries(request *tcp.ForwarderRequest) {
	if !n.sockets.take() {
		request.Complete(true)
		return
	}
	defer n.sockets.release()
	guest := n.accept(request)
	if guest == nil {
		return
	}
	defer guest.abort()
	var length [2]byte
	for guest.SetDeadline(time.Now().Add(idleTCPQueries)) == nil {
		if _, err := io.ReadFull(guest, length[:]); err != nil {
			break
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(guest, query); err != nil {
			break
		}
		answer := n.resolve(query, "tcp")
		if answer == nil {
			break
		}
		if _, err := guest.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer)))); err != nil {
			break
		}
		if _, err := guest.Write(answer); err != nil {
			break
		}
	}
	_ = guest.Close()
	n.linger(guest)
}

// resolve returns the answer to a query; nil when it is none.
func (n *Network) resolve(query []byte, network string) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return withCode(header, nil, dnsmessage.RCodeFormatError)
	}
	if _, err := parser.Question(); err != dnsmessage.ErrSectionDone {
		return withCode(header, nil, dnsmessage.RCodeFormatError)
	}
	n.Counters.Queries.Add(1)
	name := nameOf(question.Name)
	if verdict := n.gate.Query(name, uint16(question.Type)); !verdict.Allowed {
		n.Counters.Refused.Add(1)
		return withCode(header, &question, dnsmessage.RCodeRefused)
	}
	if question.Type == dnsmessage.TypeAAAA && !n.resolver.offers6() {
		// Addresses that the guest could not reach would only delay it.
		return withCode(header, &question, dnsmessage.RCodeSuccess)
	}
	answer := n.ask(query, question, network)
	if answer == nil {
		n.Counters.Failed.Add(1)
		return withCode(header, &question, dnsmessage.RCodeServerFailure)
	}
	canonical, addresses, err := contentOf(answer)
	if err != nil {
		n.Counters.Failed.Add(1)
		return withCode(header, &question, dnsmessage.RCodeServerFailure)
	}
	if verdict := n.gate.Answers(name, canonical, addresses); !verdict.Allowed {
		n.Counters.Refused.Add(1)
		return withCode(header, &question, dnsmessage.RCodeRefused)
	}
	return answer
}

// nameOf returns a name as gates get it.
func nameOf(name dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(name.String(), "."))
}

func withCode(header dnsmessage.Header, question *dnsmessage.Question, code dnsmessage.RCode) []byte {
	answer := dnsmessage.Message{Header: dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, RecursionDesired: header.RecursionDesired,
		RecursionAvailable: true, RCode: code,
	}}
	if question != nil {
		answer.Questions = []dnsmessage.Question{*question}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// ask returns the answer of the first nameserver of this host that answers.
func (n *Network) ask(query []byte, question dnsmessage.Question, network string) []byte {
	for _, nameserver := range n.resolver.nameservers() {
		if answer := askOne(query, question, nameserver, network); answer != nil {
			n.resolver.prefer(nameserver)
			return answer
		}
		if n.context.Err() != nil {
			return nil
		}
	}
	return nil
}

func askOne(query []byte, question dnsmessage.Question, nameserver netip.AddrPort, network string) []byte {
	connection, err := net.DialTimeout(network, nameserver.String(), nameserverDeadline)
	if err != nil {
		return nil
	}
	defer connection.Close()
	if connection.SetDeadline(time.Now().Add(nameserverDeadline)) != nil {
		return nil
	}
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := connection.Write(query); err != nil {
		return nil
	}
	if network == "tcp" {
		var length [2]byte
		if _, err := io.ReadFull(connection, length[:]); err != nil {
			return nil
		}
		answer := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(connection, answer); err != nil || !answers(answer, query[2:], question) {
			return nil
		}
		return answer
	}
	answer := make([]byte, maxMessage)
	for {
		count, err := connection.Read(answer)
		if err != nil {
			return nil
		}
		if answers(answer[:count], query, question) {
			return answer[:count:count]
		}
	}
}

// answers reports whether a message answers this query and no other.
func answers(answer, query []byte, question dnsmessage.Question) bool {
	var parser dnsmessage.Parser
	header, err := parser.Start(answer)
	if err != nil || !header.Response || header.ID != binary.BigEndian.Uint16(query) {
		return false
	}
	answered, err := parser.Question()
	if err != nil {
		return false
	}
	return answered.Type == question.Type && answered.Class == question.Class &&
		strings.EqualFold(answered.Name.String(), question.Name.String())
}

// contentOf returns the names and addresses in an answer.
func contentOf(answer []byte) (canonical []string, addresses []gate.Address, err error) {
	var parser dnsmessage.Parser
	if _, err := parser.Start(answer); err != nil {
		return nil, nil, err
	}
	if err := parser.SkipAllQuestions(); err != nil {
		return nil, nil, err
	}
	for {
		header, err := parser.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return canonical, addresses, nil
		}
		if err != nil {
			return nil, nil, err
		}
		found := gate.Address{TTL: time.Duration(header.TTL) * time.Second}
		switch header.Type {
		case dnsmessage.TypeA:
			record, err := parser.AResource()
			if err != nil {
				return nil, nil, err
			}
			found.Addr = netip.AddrFrom4(record.A)
			addresses = append(addresses, found)
		case dnsmessage.TypeAAAA:
			record, err := parser.AAAAResource()
			if err != nil {
				return nil, nil, err
			}
			found.Addr = netip.AddrFrom16(record.AAAA)
			addresses = append(addresses, found)
		case dnsmessage.TypeCNAME:
			record, err := parser.CNAMEResource()
			if err != nil {
				return nil, nil, err
			}
			canonical = append(canonical, nameOf(record.CNAME))
		default:
			if err := parser.SkipAnswer(); err != nil {
				return nil, nil, err
			}
		}
	}
}
