package sniff

// FirstHello reads the TLS hello at the beginning of what a client sends. isMore says that it may still
// become one with more input; ok that there is one.
func FirstHello(input []byte) (hello Hello, isMore, ok bool) {
	if len(input) == 0 {
		return Hello{}, true, false
	}
	if input[0] != handshakeRecord {
		return Hello{}, false, false
	}
	var whole assembly
	switch whole.read(input) {
	case needsMore:
		return Hello{}, len(input) < maxHelloBytes+maxRecordBytes, false
	case isComplete:
		hello, problem := parseHello(whole.message[messageHeaderBytes:])
		return hello, false, problem == ""
	}
	return Hello{}, false, false
}
