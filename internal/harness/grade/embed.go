package grade

import (
	_ "embed"
	"strings"
)

// The Python side. codec.py runs on both ends: it is put before what each end
// does with it.
var (
	//go:embed py/boot.py
	bootSource string
	//go:embed py/codec.py
	codecSource string
	//go:embed py/driver.py
	driverSource string
	//go:embed py/replay.py
	replaySource string
	//go:embed py/grader.py
	graderSource string
	//go:embed py/load.py
	loadSource string

	bootArg     = stripComments(bootSource)
	driverText  = codecSource + "\n" + driverSource
	graderText  = codecSource + "\n" + replaySource + "\n" + graderSource
	graderStart = stripComments(loadSource)
)

// stripComments drops whole-line comments: what is passed as an argument is
// compiled on every start.
func stripComments(source string) string {
	var kept strings.Builder
	for line := range strings.Lines(source) {
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && !strings.HasPrefix(trimmed, "#") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
