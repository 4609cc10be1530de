package handover

import (
	"encoding/json"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheConnectionIsSentWithTheRequest(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := unix.Dup2(pair[0], ControlFd); err != nil {
		t.Fatal(err)
	}
	if err := Run([]string{path, "save", "7"}); err != nil {
		t.Fatal(err)
	}
	line, control := make([]byte, 256), make([]byte, 256)
	count, controlCount, _, _, err := unix.Recvmsg(pair[1], line, control, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got request
	if err := json.Unmarshal(line[:count], &got); err != nil || got.Execute != "getfd" || got.Arguments["fdname"] != "save" || got.ID != 7 {
		t.Errorf("%s: %v", line[:count], err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:controlCount])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages: %v", len(messages), err)
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		t.Fatalf("%v: %v", descriptors, err)
	}
	if _, err := unix.Write(descriptors[0], []byte("hello")); err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if count, err = accepted.Read(line); err != nil || string(line[:count]) != "hello" {
		t.Errorf("%q: %v", line[:count], err)
	}
}

func TestAnUnreadableRequestOrAMissingSocketIsRefused(t *testing.T) {
	for _, args := range [][]string{{}, {"/s", "save"}, {"/s", "save", "x"}, {"/no/such/socket", "save", "1"}} {
		if err := Run(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
