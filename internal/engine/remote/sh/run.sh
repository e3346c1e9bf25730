# Runs one program. Set before: keep and rest (bytes), wall and cpu (hundredths
# of a second), tag, seconds, files, sectors, dir; launch executes the program.

# stop makes the shell that waits for the program end it, and says why.
stop() {
	echo "$1" >&8
	kill -USR1 $$
}

# keeper reads one stream to its end: the first $keep bytes are kept, and after
# $rest more the program is ended.
keeper() {
	head -c "$keep"
	[ "$(head -c "$rest" | wc -c)" -lt "$rest" ] && return
	stop output
	cat >/dev/null
}

# clock sets now to hundredths of a second since the machine started.
clock() {
	read -r now more </proc/uptime
	now=${now%.*}${now#*.}
}

# spent sets used to the CPU time of all that runs, and of what they waited for.
spent() {
	used=0
	for f in $(tagged); do
		read -r line <"${f%/limits}/stat" || continue
		set -- ${line##*) }
		used=$((used + ${12} + ${13} + ${14} + ${15}))
	done
	return 0
}

# watch holds the program to its times. It asks for CPU time only when so much
# of it can have passed at all.
watch() {
	cores=$(nproc) || cores=64
	while :; do
		clock
		ran=$((now - started))
		used=$((ran * cores))
		[ $used -ge "$cpu" ] || [ $ran -ge "$wall" ] && spent && echo "spent $used" >&8
		[ $ran -ge "$wall" ] && stop time && return
		[ $used -ge "$cpu" ] && stop cpu && return
		t=$(((cpu - used + cores - 1) / cores))
		[ $t -lt 3 ] && t=3
		[ $t -gt $((wall - ran)) ] && t=$((wall - ran))
		h=$((t % 100))
		[ $h -lt 10 ] && h=0$h
		# It has the tag, so that it ends with the rest.
		(ulimit -m "$tag"; exec sleep "$((t / 100)).$h")
	done
}

# run is the program's own process up to its start.
run() {
	umask 022
	ulimit -c 0
	ulimit -m "$tag"
	ulimit -t "$seconds"
	ulimit -n "$files"
	[ "$sectors" ] && ulimit -f "$sectors"
	launch
}

cd -- "$dir" || fail dir
[ -e "$d/in" ] || : >"$d/in"
mkfifo "$d/o" "$d/e" "$d/t" || fail mkfifo
exec 8<>"$d/t"
p= over=
trap 'over=1; kill -KILL $p' USR1
# Streams come through pipes that have names for a moment. Redirections are
# made by exec, in subshells: those of a function keep copies open.
exec 9<>"$d/o" && exec 4>"$d/o" 3<"$d/o" 9>"$d/out"
(exec <&3 >&9 3<&- 4>&- 9>&- && keeper) &
r1=$!
exec 9<>"$d/e" && exec 5>"$d/e" 3<"$d/e" 9>"$d/err"
(exec <&3 >&9 3<&- 4>&- 5>&- 6<&- 9>&- && keeper) &
r2=$!
exec 3<"$d/in" 6<"$d/out" 7<"$d/err" 9>&-
rm -rf "$d"
session=
command -v setsid >/dev/null && session=setsid
reset=
env --default-signal=INT true && reset=--default-signal=INT,QUIT
home=/home/sandbox
[ -d $home ] || mkdir -p -m 755 $home || home=${HOME:-/tmp}
killed
oom0=$oom
times >&8
read -r line <&8
read -r cpu0 <&8
clock
started=$now
trap 'echo time >&8; kill -KILL $p $r1 $r2' TERM
(exec <&3 >&4 2>&5 3<&- 4>&- 5>&- 6<&- 7<&- 8>&- && run) &
p=$!
exec 3<&- 4>&- 5>&-
[ "$over" ] && kill -KILL $p
(exec </dev/null >/dev/null 6<&- 7<&- && watch) &
w=$!
wait $p
code=$? # of no importance when the wait was cut short: then there is a cause
trap '' USR1 TERM
jobs -l >&8
clock
kill -KILL $w
sweep
for child in $p $r1 $r2; do wait "$child"; done
times >&8
killed
echo end >&8
how= cpu1= causes= spent=0
while read -r line <&8; do
	case $line in
	end) break ;;
	time | cpu | output) causes="$causes $line" ;;
	spent\ *) spent=${line#* } ;;
	*" $p "*) how=$line ;;
	[0-9]*m*s*) cpu1=$line ;;
	esac
done
begin
echo "code $code $how"
echo "wall $((now - started))"
echo "cpu $cpu0 $cpu1"
echo "spent $spent"
echo "causes$causes"
echo "oom ${oom0:-?} ${oom:-?}"
echo "coding $(coding)"
show out 6
show err 7
end
