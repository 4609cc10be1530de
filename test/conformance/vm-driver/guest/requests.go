package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// serve answers requests until the stream ends.
func (g *guest) serve(stream io.ReadWriter) {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		io.WriteString(stream, g.replyOnce(words[0], words[1], words[2:]))
	}
}

// replyOnce executes a request, or repeats the reply to the last one if the token is the same: a host that
// gets no answer for a while repeats its request, but the guest may only have been slow.
func (g *guest) replyOnce(token, verb string, args []string) string {
	if token == g.lastToken {
		return g.lastReply
	}
	result, err := g.answer(verb, args)
	reply := fmt.Sprintf("%s ok %s\n", token, result)
	if err != nil {
		reply = fmt.Sprintf("%s error %v\n", token, err)
	}
	g.lastToken, g.lastReply = token, reply
	return reply
}

func (g *guest) answer(verb string, args []string) (string, error) {
	switch {
	case verb == "ping":
		return strings.Join(args, " "), nil
	case verb == "drives":
		return drives()
	case verb == "write" && len(args) == 3:
		return "", writePage(args[0], args[1], args[2])
	case verb == "read" && len(args) == 3:
		return readText(args[0], args[1], args[2])
	case verb == "print":
		_, err := fmt.Fprintln(g.console, strings.Join(args, " "))
		return "", err
	case verb == "flood" && len(args) == 1:
		return "", g.flood(args[0])
	case verb == "clock":
		return sysText("/sys/devices/system/clocksource/clocksource0", "current_clocksource"), nil
	case verb == "network":
		return "", setUpNetwork()
	case verb == "reach" && len(args) == 3:
		return reach(args[0], args[1], args[2])
	case verb == "remember" && len(args) == 1:
		theMemory.text = args[0]
		return "", nil
	case verb == "recall":
		return theMemory.text, nil
	case verb == "churn":
		theMemory.churn()
		return "", nil
	case verb == "settle":
		return theMemory.settle()
	case verb == "panic":
		os.Exit(1) // the end of process 1 is a kernel panic
	case verb == "poweroff":
		g.powerOff()
	}
	return "", fmt.Errorf("unknown request %q", verb)
}

func (g *guest) flood(bytesText string) error {
	left, err := strconv.Atoi(bytesText)
	if err != nil {
		return err
	}
	line := append(bytes.Repeat([]byte{'x'}, 127), '\n')
	for ; left > 0; left -= len(line) {
		if _, err := g.console.Write(line); err != nil {
			return err
		}
	}
	return nil
}
