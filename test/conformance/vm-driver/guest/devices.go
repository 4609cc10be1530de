package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const pageSize = 4096

// loadModules loads the modules of the initramfs in the order of its list. Modules of missing devices may
// fail.
func loadModules(dir string) error {
	order, err := os.ReadFile(filepath.Join(dir, "order"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		if strings.HasPrefix(name, "vsock") || strings.HasPrefix(name, "vmw_") || strings.HasPrefix(name, "dm-") {
			continue
		}
		image, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		parameters := []byte{0}
		syscall.Syscall(syscall.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&image[0])), uintptr(len(image)),
			uintptr(unsafe.Pointer(&parameters[0])))
	}
	return nil
}

// openPort opens the virtio port of that name.
func openPort(name string) (*os.File, error) {
	for range 1000 {
		files, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, file := range files {
			if sysText(filepath.Dir(file), "name") != name {
				continue
			}
			device := "/dev/" + filepath.Base(filepath.Dir(file))
			// Not through os.Open, which would wait for readiness that the port never reports.
			if fd, err := syscall.Open(device, syscall.O_RDWR, 0); err == nil {
				return os.NewFile(uintptr(fd), device), nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil, fmt.Errorf("no port %q", name)
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

// writePage bypasses the guest's page cache and never flushes: it returns when the device has completed the
// write, without any further guarantee.
func writePage(serial, offsetText, text string) error {
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
	page, err := syscall.Mmap(-1, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	copy(page, text)
	_, err = syscall.Pwrite(fd, page, offset)
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
	if err != nil || length < 0 || length > pageSize {
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
