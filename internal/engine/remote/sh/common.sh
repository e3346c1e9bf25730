# What all scripts share. They run as "sh -c SCRIPT" in the sandbox, print one
# frame between two lines that hold $token, and exit with 0. The first lines
# set d (a directory of this call's own) and token.
path=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$path
LC_ALL=C
export PATH LC_ALL
exec 2>/dev/null
umask 077
block=65536 blocks=16

begin() { printf '\n%s begin\n' "$token"; }
end() { printf '%s end\n' "$token"; exit 0; }
fail() {
	rm -rf "$d"
	begin
	echo "fail $*"
	end
}

encode() {
	if command -v base64 >/dev/null; then base64 | tr -d '\n'; else od -An -v -tx1 | tr -d ' \n'; fi
}
coding() { if command -v base64 >/dev/null; then echo base64; else echo hex; fi; }

# show NAME FD prints the beginning of the file that is open as FD. What is
# left after it goes to the file $d/NAME, to be fetched later.
show() {
	printf '%s ' "$1"
	eval "dd bs=$block count=$blocks <&$2" | encode
	echo
	pos=$((block * blocks))
	while read -r k v; do [ "$k" = pos: ] && pos=$v; done </proc/self/fdinfo/"$2"
	[ "$pos" -lt $((block * blocks)) ] && return
	mkdir -p "$d" && eval "cat <&$2" >"$d/$1"
	[ -s "$d/$1" ] && echo "$1.more $(wc -c <"$d/$1")" && return
	rm -f "$d/$1"
	rmdir "$d"
}

# killed is how many processes of the container were ended for want of memory,
# or nothing where the kernel doesn't say.
killed() {
	oom=
	for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
		[ -r $f ] && while read -r k v; do [ "$k" = oom_kill ] && oom=$v; done <$f
	done
}

# tagged lists the processes of a run: all that it started have its tag as
# their limit on resident memory, which Linux hands down and doesn't enforce.
tagged() { grep -ls "^Max resident set *$((tag * 1024)) " /proc/[0-9]*/limits; }

# sweep ends them all, those that left the session too.
sweep() {
	tries=0
	while [ $tries -lt 100 ]; do
		alive=
		for f in $(tagged); do
			q=${f#/proc/} q=${q%/limits} state=
			while read -r k v more; do [ "$k" = State: ] && state=$v && break; done <"/proc/$q/status"
			case $state in '' | Z | X) ;; *) kill -KILL "$q" && alive=1 ;; esac
		done
		[ "$alive" ] || return
		tries=$((tries + 1))
		[ $tries -gt 3 ] && sleep 0.02
	done
}
