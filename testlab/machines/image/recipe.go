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

// Units of the services: the data server, the historian's database and the RTDB. A
// machine boots with all of them disabled.
const (
	Mosquitto = "mosquitto.service"
	Postgres  = "postgresql@15-main.service"
	Redis     = "redis-server.service"
)

// Cluster is the folder with the configuration of the database.
const Cluster = "etc/postgresql/15/main"

// disabled lists how each service is kept from starting at boot. Debian has a generator
// enable the databases, each of which has a file that says whether.
var disabled = []string{
	`chroot "$1" systemctl disable mosquitto postgresql redis-server`,
	`echo manual >"$1/` + Cluster + `/start.conf"`,
}

// excluded is what no machine reads: a fifth of the disk.
var excluded = []string{"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"}

// arguments are mmdebstrap's, without the result and the mirror.
func arguments() []string {
	list := []string{"--variant=minbase", "--include=" + strings.Join(packages, ",")}
	for _, path := range excluded {
		list = append(list, "--dpkgopt=path-exclude="+path)
	}
	for _, hook := range disabled {
		list = append(list, "--customize-hook="+hook)
	}
	return append(list, suite)
}

// name tells results of different recipes apart.
func name() string {
	sum := sha256.Sum256([]byte(strings.Join(arguments(), "\n")))
	return "root-" + hex.EncodeToString(sum[:4])
}
