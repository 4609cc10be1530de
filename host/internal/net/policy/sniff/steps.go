package sniff

import "bytes"

// step consumes bytes of the current phase. It returns how many, or 0 when it needs more or has only
// changed the phase to open.
func (g *Guard) step(input []byte) (int, *Refusal) {
	switch g.phase {
	case helloPhase:
		return g.readHello(input)
	case recordPhase:
		return g.followRecords(input)
	case headPhase:
		return g.readHead(input)
	case bodyPhase:
		used := int(min(g.left, int64(len(input))))
		if g.left -= int64(used); g.left == 0 {
			g.endRequest()
		}
		return used, nil
	case chunkPhase:
		used, isEnd, reason := g.chunks.step(input)
		if reason != "" {
			return 0, &Refusal{Reason: reason}
		}
		if isEnd {
			g.endRequest()
		}
		return used, nil
	default:
		return g.begin(input)
	}
}

// begin finds the protocol of what comes next.
func (g *Guard) begin(input []byte) (int, *Refusal) {
	if blanks := leadingBlanks(input); blanks > 0 {
		g.scanned = 0
		return blanks, nil
	}
	kind, scanned := detect(input, g.scanned)
	g.scanned = scanned
	switch kind {
	case tlsProtocol:
		g.phase, g.hello, g.isSecond = helloPhase, assembly{}, false
		return g.readHello(input)
	case httpProtocol:
		g.phase = headPhase
		return g.readHead(input)
	case otherProtocol:
		g.phase = open
	}
	return 0, nil
}

func (g *Guard) readHello(input []byte) (int, *Refusal) {
	switch g.hello.read(input) {
	case needsMore:
		return 0, nil
	case isOther:
		if g.isSecond {
			g.phase = open
			return 0, nil
		}
		return 0, &Refusal{Reason: "its TLS hello is malformed"}
	case isBroken:
		return 0, &Refusal{Reason: "its TLS hello is malformed"}
	}
	hello, reason := parseHello(g.hello.message[messageHeaderBytes:])
	if reason == "" && hello.IsEncrypted {
		reason = "its TLS hello is encrypted (ECH), so that the server name cannot be checked"
	}
	if reason == "" && hello.Name == "" {
		reason = "its TLS hello has no server name"
	}
	if reason != "" {
		return 0, &Refusal{Reason: reason, Name: hello.Name}
	}
	if refusal := g.judgeInside(Server{Kind: "tls", Name: hello.Name}); refusal != nil {
		return 0, refusal
	}
	used := g.hello.at
	g.phase, g.hello = recordPhase, assembly{}
	g.hasEarlyData = g.hasEarlyData || hello.HasEarlyData
	return used, nil
}

// followRecords passes records until no second hello can follow in plain text.
func (g *Guard) followRecords(input []byte) (int, *Refusal) {
	if g.left > 0 {
		used := int(min(g.left, int64(len(input))))
		g.left -= int64(used)
		return used, nil
	}
	if input[0] == applicationData && !g.hasEarlyData {
		g.phase = open
		return 0, nil
	}
	if input[0] < changeCipherSpec || input[0] > applicationData {
		g.phase = open
		return 0, nil
	}
	if len(input) < recordHeaderBytes {
		return 0, nil
	}
	if input[0] == handshakeRecord {
		g.phase, g.hello, g.isSecond = helloPhase, assembly{}, true
		return g.readHello(input)
	}
	g.left = int64(input[3])<<8 | int64(input[4])
	return recordHeaderBytes, nil
}

func (g *Guard) readHead(input []byte) (int, *Refusal) {
	if blanks := leadingBlanks(input); blanks > 0 {
		g.scanned = 0
		return blanks, nil
	}
	from := max(0, g.scanned-3)
	end := bytes.Index(input[from:], []byte("\r\n\r\n"))
	if end < 0 {
		g.scanned = len(input)
		return 0, judgeLine(input)
	}
	g.scanned = 0
	size := from + end + 4
	parsed, reason := parseHead(input[:size])
	if reason != "" {
		return 0, &Refusal{Reason: reason}
	}
	if refusal := g.judgeHead(parsed); refusal != nil {
		return 0, refusal
	}
	g.head = parsed
	switch {
	case parsed.isChunked:
		g.phase, g.chunks = chunkPhase, chunks{}
	case parsed.bodyBytes > 0:
		g.phase, g.left = bodyPhase, parsed.bodyBytes
	default:
		g.endRequest()
	}
	return size, nil
}

// judgeLine refuses a head at once whose first line is malformed: without a carriage return, for example,
// the empty line that a lenient server takes for its end would never be found.
func judgeLine(input []byte) *Refusal {
	line, _, isWhole := bytes.Cut(input, []byte("\n"))
	if !isWhole {
		return nil
	}
	var parsed head
	text, hasReturn := bytes.CutSuffix(line, []byte("\r"))
	reason := parsed.requestLine(string(text))
	if reason == "" && !hasReturn {
		reason = malformedLine
	}
	if reason == "" {
		return nil
	}
	return &Refusal{Reason: reason}
}

func (g *Guard) judgeHead(parsed head) *Refusal {
	if parsed.target != "" {
		if refusal := g.judge(Server{Kind: "proxy", Name: parsed.target, Port: parsed.targetPort}); refusal != nil {
			return refusal
		}
		if parsed.host == "" || parsed.host == parsed.target {
			return nil
		}
	}
	return g.judgeInside(Server{Kind: "http", Name: parsed.host})
}

// judgeInside judges a server, which inside a tunnel must be the one at the tunnel's end.
func (g *Guard) judgeInside(server Server) *Refusal {
	if g.tunnel == "" {
		return g.judge(server)
	}
	if server.Name != g.tunnel {
		return &Refusal{Reason: "it asked a proxy for another server", Name: server.Name}
	}
	return nil
}

// endRequest prepares for what follows a request: another one, or after an upgrade anything.
func (g *Guard) endRequest() {
	g.phase, g.scanned = headPhase, 0
	if g.head.isConnect {
		g.tunnel = g.head.target
	}
	if g.head.isConnect && isAddress(g.tunnel) {
		// A rule for addresses allowed it, whatever the names.
		g.phase = open
		return
	}
	if g.head.mayUpgrade || g.head.isConnect {
		g.phase = start
	}
}
