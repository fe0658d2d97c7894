package machines

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"vipd/testlab/program"
)

const (
	// Writer is the unit of the history's writer; it is enabled nowhere.
	Writer = "historian-writer.service"

	daemonUnit = "vipd.service"
	unitFolder = "usr/lib/systemd/system"
	writerPath = "usr/lib/vipd-testlab/writer"
)

// The packages of our programs, which Main builds.
const (
	daemonSource = "vipd/vipd"
	writerSource = "vipd/testlab/machines/writer"
)

// product makes the layer with our programs and their units, once per process.
var product = sync.OnceValues(func() (string, error) {
	kept, err := storage()
	if err != nil {
		return "", err
	}
	layer := filepath.Join(kept.space, "product")
	for source, target := range map[string]string{daemonSource: "usr/bin/vipd", writerSource: writerPath} {
		if err := install(source, filepath.Join(layer, target)); err != nil {
			return "", err
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

// install copies the program of that package to target.
func install(source, target string) error {
	built, err := program.Path(source)
	if err != nil {
		return err
	}
	octets, err := os.ReadFile(built)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(target), 0o755)
	}
	if err == nil {
		err = os.WriteFile(target, octets, 0o755)
	}
	return err
}

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
