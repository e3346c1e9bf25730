package tool

import (
	"regexp"
	"strings"
)

// language is how multi_code_executor builds and runs one language: shell
// lines, run in the directory that the source is in. "{main}" stands for the
// source's name.
type language struct {
	main string
	// setup comes before the source is written, build after it; "" is none.
	setup, build, run string
	// prefix goes before build and run.
	prefix string
}

// languages are the protocol's, by all the names they have there.
var languages = map[string]language{
	"python":        {main: "main.py", run: "{python} {main}", prefix: pythonPath},
	"pytest":        {main: "test_main.py", run: "pytest {main}", prefix: pythonPath},
	"cpp":           {main: "main.cpp", build: cppFlags + "g++ -std=c++17 {main} -o app$flags", run: "./app"},
	"csharp":        {main: "Program.cs", setup: "dotnet new console -o .", run: "dotnet run --project ."},
	"go":            {main: "main.go", build: "go build -o app {main}", run: "./app"},
	"go_test":       {main: "main_test.go", run: "go mod init {main} && go test {main}"},
	"java":          {main: "Main.java", build: "javac " + classPath + " {main}", run: "java -ea " + classPath + " Main"},
	"junit":         {main: "Main.java", build: "javac " + classPath + " *.java", run: "java -ea " + classPath + " Main"},
	"nodejs":        {main: "main.js", run: "node {main}"},
	"js":            {main: "main.js", run: "node {main}"},
	"ts":            {main: "main.ts", run: "tsx {main}"},
	"typescript":    {main: "main.ts", run: "tsx {main}"},
	"rust":          {main: "main.rs", build: "rustc {main} -o app", run: "./app"},
	"php":           {main: "main.php", run: "php -f {main}"},
	"bash":          {main: "main.sh", run: "/bin/bash {main}"},
	"jest":          {main: "main.test.ts", run: "npm run test"},
	"lua":           {main: "main.lua", run: "lua {main}"},
	"r":             {main: "main.R", run: "Rscript {main}"},
	"perl":          {main: "main.pl", run: "perl {main}"},
	"d_ut":          {main: "main.d", build: "dmd {main} -unittest -of=test", run: "./test"},
	"ruby":          {main: "main.rb", run: "ruby {main}"},
	"scala":         {main: "Main.scala", build: "scalac {main}", run: "scala {object}"},
	"julia":         {main: "main.jl", run: "julia {main}"},
	"kotlin_script": {main: "main.kts", run: "kotlin {main}"},
	"verilog": {main: "main.sv", build: "iverilog -Wall -Winfloop -Wno-timescale -g2012 -s tb -o test.vvp {main}",
		run: "vvp -n test.vvp"},
	"lean":   {main: "Main.lean", run: "lake build || lean --run Main.lean"},
	"swift":  {main: "main.swift", build: "swiftc {main} -o app", run: "./app"},
	"racket": {main: "main.rkt", run: "racket {main}"},
}

// classPath is where the images of this protocol keep Java's libraries.
const classPath = `-cp "/root/sandbox/runtime/java/*:."`

// cppFlags finds which libraries can be linked, by asking the compiler where
// they are: it costs a few milliseconds, so nothing has to be remembered from
// one image to the next.
const cppFlags = `flags=
for lib in crypto ssl pthread; do
  case "$(g++ -print-file-name=lib$lib.so 2>/dev/null)$(g++ -print-file-name=lib$lib.a 2>/dev/null)" in
    */*) flags="$flags -l$lib" ;;
  esac
done
`

// pythonPath puts the interpreter that a login shell finds first, or that of
// the environment that the protocol's images are made for, and leaves out the
// directories of another.
const pythonPath = `first=$(
  if [ -x /root/miniconda3/bin/conda ]; then
    . /root/miniconda3/bin/activate sandbox-runtime >/dev/null 2>&1 || :
    command -v {python} || echo /root/miniconda3/bin/python
  else
    command -v {python}
  fi
) && first=${first%/*}
rest=
IFS=:
for dir in $outer; do
  case "$dir" in ''|*/envs/sandbox/*) ;; *) rest="$rest${rest:+:}$dir" ;; esac
done
unset IFS
PATH="$first${first:+:}$rest"
export PATH
`

// inLogin runs the line $1 as a login shell would, for what a profile sets up.
// Many profiles set PATH anew; the sandbox's own directories come after theirs.
const inLogin = `exec /bin/sh -lc "$1" sh "$PATH"`

// loginLine is what goes before every line: it knows the sandbox's PATH as
// $outer, and starts in the run's directory whatever the profile did.
const loginLine = `unset IFS
outer=$1
shift
PATH="$PATH:$outer"
cd `

// line completes a shell line of l.
func (l language) line(dir, line, python, object string) []string {
	full := strings.NewReplacer("{main}", l.main, "{python}", python, "{object}", object).Replace(l.prefix + line)
	return []string{"/bin/sh", "-c", inLogin, "sh", loginLine + dir + " || exit\n" + full}
}

var scalaObject = regexp.MustCompile(`(?m)^\s*object\s+([A-Za-z_][\pL\pN_]*)`)

// objectOf is the first object of a Scala program, which is what is run.
func objectOf(code string) string {
	if m := scalaObject.FindStringSubmatch(code); m != nil {
		return m[1]
	}
	return ""
}
