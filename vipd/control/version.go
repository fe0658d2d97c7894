package control

import "runtime/debug"

// version is set when a release is built:
//
//	go build -ldflags "-X vipd/vipd/control.version=1.2.3" ./vipd
var version string

// Version is the version of this program: the release's, else what the Go
// toolchain noted about the working copy it was built from.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
