package probe

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	os.Setenv("http_proxy", "http://127.0.0.1:9") // which no check may ask
	os.Exit(rig.Main(m))
}
