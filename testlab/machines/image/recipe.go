package image

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Mirror is where the packages come from when nobody says otherwise.
const Mirror = "http://deb.debian.org/debian"

const suite = "bookworm"

// packages are what is installed: a system, a look at its network, and the services.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "iproute2", "procps", "iputils-ping",
	"mosquitto", "mosquitto-clients", "postgresql", "redis-server",
}

// Services are the units of the services; a machine boots with all of them disabled.
var Services = []string{"mosquitto.service", "postgresql.service", "redis-server.service"}

// excluded is what no machine reads: a fifth of the disk.
var excluded = []string{"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"}

// arguments are mmdebstrap's, without the result and the mirror.
func arguments() []string {
	list := []string{"--variant=minbase", "--include=" + strings.Join(packages, ",")}
	for _, path := range excluded {
		list = append(list, "--dpkgopt=path-exclude="+path)
	}
	disable := `--customize-hook=chroot "$1" systemctl disable ` + strings.Join(Services, " ")
	return append(list, disable, suite)
}

// name tells results of different recipes apart.
func name() string {
	sum := sha256.Sum256([]byte(strings.Join(arguments(), "\n")))
	return "root-" + hex.EncodeToString(sum[:4])
}
