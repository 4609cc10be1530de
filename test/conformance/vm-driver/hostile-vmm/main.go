// Command hostile-vmm is what QEMU would be after a guest has taken it over. The driver starts it in QEMU's place, with QEMU's
// arguments; it tries what the second wall forbids and prints what came of it as one line of JSON. What it is to try is in
// the kernel command line, as words "hostile.NAME=PATH".
package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	words := map[string]string{}
	for at, argument := range os.Args {
		if argument != "-append" || at+1 == len(os.Args) {
			continue
		}
		for _, word := range strings.Fields(os.Args[at+1]) {
			if name, path, ok := strings.Cut(strings.TrimPrefix(word, "hostile."), "="); ok {
				words[name] = path
			}
		}
	}
	if words["flood"] != "" {
		flood()
	}
	outcomes := map[string]string{
		"read the home":         outcome(read(words["home"] + "/key")),
		"list the home":         outcome(list(words["home"])),
		"write to the home":     outcome(write(words["home"] + "/new")),
		"write beside the VM":   outcome(write(words["vm"] + "-other")),
		"change the image":      outcome(change(words["root"])),
		"run a program":         outcome(exec.Command("/bin/true").Run()),
		"call another program":  outcome(dial(words["socket"])),
		"leave the VM's folder": outcome(os.Symlink(words["home"], words["vm"]+"/link")),
		"read the image":        outcome(read(words["root"])),
		"write a drive":         outcome(change(words["drive"])),
		"write a log":           outcome(write(words["vm"] + "/log")),
	}
	_ = json.NewEncoder(os.Stdout).Encode(outcomes)
	os.Exit(1)
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "denied"
	}
	return err.Error()
}

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func list(path string) error {
	_, err := os.ReadDir(path)
	return err
}

func write(path string) error {
	return os.WriteFile(path, []byte("x"), 0o600)
}

func change(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

func dial(path string) error {
	connection, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	return connection.Close()
}

// consoleFd is where QEMU finds its guest's console.
const consoleFd = 5

// flood prints more than any log may hold, as the guest and as QEMU itself, and ends.
func flood() {
	console := os.NewFile(consoleFd, "console")
	line := strings.Repeat("y", 1023) + "\n"
	for range 16 * 1024 {
		printAll(console, line)
		printAll(os.Stdout, line)
	}
	printAll(console, "the last of the console\n")
	printAll(os.Stdout, "the last of the VMM\n")
	os.Exit(1)
}

// printAll waits for room, which QEMU does not.
func printAll(file *os.File, text string) {
	for {
		if _, err := syscall.Write(int(file.Fd()), []byte(text)); err != syscall.EAGAIN {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
