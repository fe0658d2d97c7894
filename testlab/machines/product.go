package machines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

const (
	// Writer is the unit of the history's writer; it is enabled nowhere.
	Writer = "historian-writer.service"

	daemonUnit = "vipd.service"
	unitFolder = "usr/lib/systemd/system"
	writerPath = "usr/lib/vipd-testlab/writer"
)

// product builds the layer with our programs and their units, once per process.
var product = sync.OnceValues(func() (string, error) {
	kept, err := storage()
	if err != nil {
		return "", err
	}
	layer := filepath.Join(kept.space, "product")
	for source, target := range map[string]string{"vipd/vipd": "usr/bin/vipd", "vipd/testlab/machines/writer": writerPath} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(layer, target), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", source, err, out)
		}
	}
	unit, err := os.ReadFile(filepath.Join(sources(), "../../systemd", daemonUnit))
	if err != nil {
		return "", err
	}
	files := map[string]string{
		filepath.Join(unitFolder, daemonUnit): string(unit),
		filepath.Join(unitFolder, Writer):     writerUnit,
	}
	return layer, spread(layer, files)
})

// sources is this package's directory.
func sources() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// writerUnit runs the writer with what whoever starts it adds to its environment.
const writerUnit = `[Unit]
Description=Writer of the history
StartLimitIntervalSec=0

[Service]
Type=exec
Environment=VIPD_NODE=%H
ExecStart=/` + writerPath + ` --database ` + databaseAddress + `
DynamicUser=yes
`
