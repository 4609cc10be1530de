package procnet

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestPortsOfSystemdBelongToTheProgramsThatItStarts(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"lib/systemd/system/ssh.socket":       "[Socket]\nListenStream=22\nAccept=yes\n",
		"lib/systemd/system/ssh@.service":     "[Service]\nExecStart=-/usr/sbin/sshd -i $SSHD_OPTS\n",
		"lib/systemd/system/web.socket":       "[Socket]\n# ListenStream=1\nListenStream=[::1]:8080\nListenStream=/run/web.sock\nListenDatagram=0.0.0.0:53\nService=other.service\n",
		"etc/systemd/system/other.service":    "[Service]\nExecStart=/opt/bin/server\n",
		"lib/systemd/system/other.service":    "[Service]\nExecStart=/opt/bin/old\n",
		"lib/systemd/system/lonely.socket":    "[Socket]\nListenStream=99\n",
		"run/systemd/system/override.socket":  "[Socket]\nListenStream=70000\n",
		"run/systemd/system/override.service": "[Service]\nExecStart=\n",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"tcp 22": "sshd", "tcp 8080": "server", "udp 53": "server"}
	if got := activated(root); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if got := activated(t.TempDir()); len(got) > 0 {
		t.Errorf("without units: got %v", got)
	}
}
