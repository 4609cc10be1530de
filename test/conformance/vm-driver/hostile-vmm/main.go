// Command hostile-vmm plays a QEMU that a guest has taken over. The driver starts it instead of QEMU, with
// QEMU's arguments. It tries what the second wall forbids and prints the outcomes as one line of JSON. The
// kernel command line says what to try, in words "hostile.NAME=PATH".
package main

import (
	"encoding/json"
	"errors"
	"fmt"
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
	if words["memory"] != "" {
		outcomes = map[string]string{
			"map the memory":          outcome(mapMemory(words["memory"])),
			"change the memory":       outcome(change(words["memory"])),
			"open another file":       outcome(openAsQemu("/dev/null")),
			"open a file of the home": outcome(openAsQemu(words["home"])),
		}
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

// consoleFd is the descriptor of the guest's console.
const consoleFd = 5

// flood prints more than any log may hold, both as the guest and as QEMU itself, and then ends.
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

// printAll waits for room in the pipe, unlike QEMU.
func printAll(file *os.File, text string) {
	for {
		if _, err := syscall.Write(int(file.Fd()), []byte(text)); err != syscall.EAGAIN {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// mapMemory handles a saved guest's memory as QEMU does: it opens the file for writing, and writes to a
// private copy. It fails if it could have written to the file.
func mapMemory(path string) error {
	file, err := syscall.Open(path, syscall.O_RDWR, 0)
	if err != nil {
		return err
	}
	pages, err := syscall.Mmap(file, 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	if string(pages[:5]) != "saved" {
		return errors.New("it is another file")
	}
	pages[0] = 'x'
	if _, err := syscall.Pwrite(file, []byte("x"), 0); err != syscall.EBADF {
		return fmt.Errorf("written to: %w", err)
	}
	if _, err := syscall.Mmap(file, 0, os.Getpagesize(), syscall.PROT_WRITE, syscall.MAP_SHARED); err == nil {
		return errors.New("mapped to be written to")
	}
	return nil
}

// openAsQemu opens a file as QEMU opens the memory.
func openAsQemu(path string) error {
	_, err := syscall.Open(path, syscall.O_RDWR, 0)
	return err
}
