package procnet

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// unitDirs are the folders in which systemd finds units, in the order of precedence (systemd.unit(5)).
var unitDirs = []string{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// activated maps each port on which systemd listens on behalf of a service to the program that it will start:
// "tcp 22" to "sshd". root is "/".
func activated(root string) map[string]string {
	programs := make(map[string]string)
	for _, dir := range unitDirs {
		sockets, _ := filepath.Glob(filepath.Join(root, dir, "*.socket"))
		for _, socket := range sockets {
			unit := readUnit(socket)
			program := serviceProgram(root, strings.TrimSuffix(filepath.Base(socket), ".socket"), unit)
			if program == "" {
				continue
			}
			for key, proto := range map[string]string{"ListenStream": "tcp", "ListenDatagram": "udp"} {
				for _, address := range unit[key] {
					port := address[strings.LastIndexByte(address, ':')+1:]
					name := proto + " " + port
					if _, err := strconv.ParseUint(port, 10, 16); err == nil && programs[name] == "" {
						programs[name] = program
					}
				}
			}
		}
	}
	return programs
}

// serviceProgram is the base name of what a socket unit's service runs.
func serviceProgram(root, name string, socket map[string][]string) string {
	services := append(socket["Service"], name+"@.service", name+".service")
	for _, service := range services {
		for _, dir := range unitDirs {
			commands := readUnit(filepath.Join(root, dir, service))["ExecStart"]
			if len(commands) == 0 {
				continue
			}
			// Special prefixes may precede the path (systemd.service(5)).
			if words := strings.Fields(strings.TrimLeft(commands[0], "@-:+!|")); len(words) > 0 {
				return path.Base(words[0])
			}
		}
	}
	return ""
}

// readUnit returns the settings of a unit file by name, or nothing when the file is missing.
func readUnit(file string) map[string][]string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	settings := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(key, "#") && !strings.HasPrefix(key, ";") && value != "" {
			settings[strings.TrimSpace(key)] = append(settings[strings.TrimSpace(key)], strings.TrimSpace(value))
		}
	}
	return settings
}
