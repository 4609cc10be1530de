package sniff

// Types of TLS records.
const (
	changeCipherSpec = 20
	alertRecord      = 21
	handshakeRecord  = 22
	applicationData  = 23
)

const (
	recordHeaderBytes  = 5
	messageHeaderBytes = 4
	maxRecordBytes     = 16384 + 2048
	// maxHelloBytes is many times what clients send, with post-quantum keys too.
	maxHelloBytes = 24 * 1024
)

// assembly puts a ClientHello together that its client may have spread over several records.
type assembly struct {
	// at is how many bytes of the input have been read.
	at      int
	message []byte
}

// outcome says what an assembly knows so far.
type outcome int

const (
	needsMore outcome = iota
	isComplete
	// isOther means that the message is no ClientHello.
	isOther
	isBroken
)

// read continues with input, which begins with the same bytes at each call. The hello is a.message when it is
// complete, and a.at is then the count of its bytes in the input.
func (a *assembly) read(input []byte) outcome {
	for {
		if len(input)-a.at < recordHeaderBytes {
			return needsMore
		}
		header := input[a.at:]
		length := int(header[3])<<8 | int(header[4])
		if header[0] != handshakeRecord || header[1] != 3 || length == 0 || length > maxRecordBytes {
			return isBroken
		}
		if len(header)-recordHeaderBytes < length {
			return a.peek(header[recordHeaderBytes:])
		}
		a.message = append(a.message, header[recordHeaderBytes:recordHeaderBytes+length]...)
		a.at += recordHeaderBytes + length
		if state := a.state(); state != needsMore {
			return state
		}
	}
}

// peek judges a message by the part of a record that has arrived, so that what is no hello does not wait for
// the whole record.
func (a *assembly) peek(part []byte) outcome {
	known := a.message
	if len(known) < messageHeaderBytes+2 {
		known = append(append([]byte(nil), known...), part[:min(len(part), messageHeaderBytes+2)]...)
	}
	if looksOther(known) {
		return isOther
	}
	return needsMore
}

func (a *assembly) state() outcome {
	if looksOther(a.message) {
		return isOther
	}
	if len(a.message) < messageHeaderBytes {
		return needsMore
	}
	switch length := messageHeaderBytes + helloLength(a.message); {
	case len(a.message) < length:
		return needsMore
	case len(a.message) > length:
		return isBroken
	default:
		return isComplete
	}
}

// looksOther reports whether a message, of which the beginning is known, is no ClientHello.
func looksOther(known []byte) bool {
	switch {
	case len(known) >= 1 && known[0] != clientHello:
		return true
	case len(known) >= messageHeaderBytes && helloLength(known) > maxHelloBytes:
		return true
	default:
		return len(known) > messageHeaderBytes && known[messageHeaderBytes] != 3
	}
}

func helloLength(message []byte) int {
	return int(message[1])<<16 | int(message[2])<<8 | int(message[3])
}
