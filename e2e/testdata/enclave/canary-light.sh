# What canary.sh does, as far as a shell can without starting anything.
for d in $DIRS; do
  for f in "$d"/cupel-canary* "$d"/.cupel-canary*; do [ -e "$f" ] || [ -L "$f" ] && echo "found: $f"; done
done
[ -n "$CUPEL_CANARY" ] && echo "found: the environment"
for f in ~/.bash_profile ~/.config ~/.ssh ~/.local ~/.crontab; do [ -e "$f" ] && echo "found: $f"; done
[ -x /usr/bin/head ] || echo "found: no /usr/bin/head"
for p in /proc/[0-9]*; do case "${p#/proc/}" in 1 | $$) ;; *) [ -e "$p" ] && echo "found: process $p" ;; esac; done
for d in $DIRS; do echo "$N" > "$d/cupel-canary"; done 2>/dev/null
echo 'export CUPEL_CANARY=1; echo cupel-canary' > ~/.bash_profile
setsid sleep 1000 > /dev/null 2>&1 < /dev/null &
echo "done $N"
