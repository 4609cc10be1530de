// Command platformprogram is the only program of an image for another platform.
//
//	platformprogram                 prints for which architecture it was built and on which machine it runs
//	platformprogram write FILE TEXT
//	platformprogram read FILE...    prints the files
//	platformprogram forget FILE     removes it, and waits until something has written it again
//	platformprogram start FILE      starts "hold FILE", which outlives it
//	platformprogram hold FILE       keeps a secret in its memory, and writes it to FILE when that is missing
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "platformprogram:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		machine, err := machine()
		fmt.Println(runtime.GOARCH, machine)
		return err
	case len(args) == 3 && args[0] == "write":
		return os.WriteFile(args[1], []byte(args[2]), 0o644)
	case len(args) == 2 && args[0] == "start":
		holder := exec.Command("/proc/self/exe", "hold", args[1])
		holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return holder.Start()
	case len(args) == 2 && args[0] == "hold":
		return hold(args[1])
	case len(args) == 2 && args[0] == "forget":
		return forget(args[1])
	case len(args) > 1 && args[0] == "read":
		return read(args[1:])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func machine() (string, error) {
	var name syscall.Utsname
	if err := syscall.Uname(&name); err != nil {
		return "", err
	}
	var text []byte
	for _, char := range name.Machine {
		if char == 0 {
			break
		}
		text = append(text, byte(char))
	}
	return string(text), nil
}

func read(files []string) error {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Println(string(content))
	}
	return nil
}

func forget(file string) error {
	if err := os.Remove(file); err != nil {
		return err
	}
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
	}
	return fmt.Errorf("nothing writes %s", file)
}

func hold(file string) error {
	secret := []byte(rand.Text())
	for {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			if err := os.WriteFile(file+".new", secret, 0o644); err != nil {
				return err
			}
			if err := os.Rename(file+".new", file); err != nil {
				return err
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}
