// Command testguest is the /init of the VMs that the driver suite boots. It loads the modules it was packed with and then answers
// one-line requests on the agent port, so that a test can ask what a guest sees without a root file system.
//
//	ping TEXT                     -> ok TEXT
//	drives                        -> ok SERIAL:BYTES:ro|rw ...
//	write SERIAL OFFSET TEXT      -> ok            (one sector, O_DIRECT, never flushed)
//	read SERIAL OFFSET LENGTH     -> ok TEXT
//	print TEXT                    -> ok            (TEXT goes to the console)
//	flood BYTES                   -> ok            (so many bytes go to the console)
//	panic | poweroff              -> nothing
//
// Every refusal is "error CAUSE". With banger.mode=probe it prints the probe's marker and powers off.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	portName   = "banger.agent.0"
	sectorSize = 4096
)

func main() {
	mount("proc", "/proc")
	mount("sysfs", "/sys")
	mount("devtmpfs", "/dev")
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		powerOff()
	}
	cmdline, _ := os.ReadFile("/proc/cmdline")
	if bytes.Contains(cmdline, []byte("banger.mode=probe")) {
		fmt.Fprintln(console, "BANGER-PROBE-OK")
		powerOff()
	}
	if err := loadModules("/modules"); err != nil {
		fmt.Fprintln(console, "TESTGUEST-FAILED", err)
		powerOff()
	}
	fmt.Fprintln(console, "TESTGUEST-UP")
	port, err := openPort()
	if err != nil {
		fmt.Fprintln(console, "TESTGUEST-FAILED", err)
		powerOff()
	}
	serve(port, console)
}

func mount(kind, target string) {
	os.MkdirAll(target, 0o755)
	syscall.Mount(kind, target, kind, 0, "")
}

func powerOff() {
	time.Sleep(50 * time.Millisecond) // lets the serial line drain
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

// loadModules loads the files of dir in the order of their names.
func loadModules(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.ko"))
	if err != nil {
		return err
	}
	for _, name := range files {
		image, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		empty := []byte{0}
		_, _, errno := syscall.Syscall(syscall.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&image[0])), uintptr(len(image)),
			uintptr(unsafe.Pointer(&empty[0])))
		if errno != 0 && errno != syscall.EEXIST {
			return fmt.Errorf("%s: %w", name, errno)
		}
	}
	return nil
}

func openPort() (*os.File, error) {
	for range 1000 {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, name := range names {
			text, _ := os.ReadFile(name)
			if strings.TrimSpace(string(text)) != portName {
				continue
			}
			device := "/dev/" + filepath.Base(filepath.Dir(name))
			if fd, err := syscall.Open(device, syscall.O_RDWR, 0); err == nil {
				return os.NewFile(uintptr(fd), device), nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil, fmt.Errorf("no port %q", portName)
}

func serve(port, console *os.File) {
	for {
		lines := bufio.NewReader(port)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				time.Sleep(5 * time.Millisecond) // nobody is connected
				break
			}
			reply, err := answer(strings.Fields(line), console)
			if err != nil {
				fmt.Fprintf(port, "error %v\n", err)
			} else {
				fmt.Fprintf(port, "ok %s\n", reply)
			}
		}
	}
}

func answer(words []string, console io.Writer) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("empty request")
	}
	args := words[1:]
	switch {
	case words[0] == "ping":
		return strings.Join(args, " "), nil
	case words[0] == "drives":
		return drives()
	case words[0] == "write" && len(args) == 3:
		return "", writeSector(args[0], args[1], args[2])
	case words[0] == "read" && len(args) == 3:
		return readText(args[0], args[1], args[2])
	case words[0] == "print":
		_, err := fmt.Fprintln(console, strings.Join(args, " "))
		return "", err
	case words[0] == "flood" && len(args) == 1:
		return "", flood(console, args[0])
	case words[0] == "panic":
		os.Exit(1) // the end of process 1 is a kernel panic
	case words[0] == "poweroff":
		powerOff()
	}
	return "", fmt.Errorf("unknown request %q", words[0])
}

func drives() (string, error) {
	dirs, err := filepath.Glob("/sys/block/vd*")
	if err != nil {
		return "", err
	}
	var found []string
	for _, dir := range dirs {
		sectors, err := strconv.ParseInt(sysText(dir, "size"), 10, 64)
		if err != nil {
			return "", err
		}
		mode := "rw"
		if sysText(dir, "ro") == "1" {
			mode = "ro"
		}
		found = append(found, fmt.Sprintf("%s:%d:%s", sysText(dir, "serial"), sectors*512, mode))
	}
	return strings.Join(found, " "), nil
}

func sysText(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text))
}

func deviceOf(serial string) (string, error) {
	dirs, _ := filepath.Glob("/sys/block/vd*")
	for _, dir := range dirs {
		if sysText(dir, "serial") == serial {
			return "/dev/" + filepath.Base(dir), nil
		}
	}
	return "", fmt.Errorf("no drive %q", serial)
}

// writeSector bypasses the guest's page cache and never flushes: the device has completed the write, nothing more is promised.
func writeSector(serial, offsetText, text string) error {
	device, err := deviceOf(serial)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(offsetText, 10, 64)
	if err != nil {
		return err
	}
	fd, err := syscall.Open(device, syscall.O_WRONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return err
	}
	sector, err := syscall.Mmap(-1, 0, sectorSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	copy(sector, text)
	_, err = syscall.Pwrite(fd, sector, offset)
	// The descriptor stays open on purpose: the last close of a block device flushes it.
	return err
}

func readText(serial, offsetText, lengthText string) (string, error) {
	device, err := deviceOf(serial)
	if err != nil {
		return "", err
	}
	offset, err := strconv.ParseInt(offsetText, 10, 64)
	if err != nil {
		return "", err
	}
	length, err := strconv.Atoi(lengthText)
	if err != nil || length < 0 || length > sectorSize {
		return "", fmt.Errorf("bad length %q", lengthText)
	}
	file, err := os.Open(device)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text := make([]byte, length)
	if _, err := file.ReadAt(text, offset); err != nil {
		return "", err
	}
	return string(bytes.TrimRight(text, "\x00")), nil
}

func flood(console io.Writer, bytesText string) error {
	left, err := strconv.Atoi(bytesText)
	if err != nil {
		return err
	}
	line := append(bytes.Repeat([]byte{'x'}, 127), '\n')
	for ; left > 0; left -= len(line) {
		if _, err := console.Write(line); err != nil {
			return err
		}
	}
	return nil
}
