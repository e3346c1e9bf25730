# A program of a pool: says what it finds of those before it, then leaves all it
# can behind. DIRS, MOUNTS and HOST are what a first program saw.
found() { echo "found: $*"; }
for d in $DIRS; do [ -d "$d" ] || found "no $d"; done
find / \( -path /proc -o -path /sys \) -prune -o \( -name '*cupel-canar*' -o -name 'usercustomize.py' -o -name .crontab \) -print 2>/dev/null |
  while read -r f; do found "$f"; done
for f in /etc/passwd /etc/profile /etc/bash.bashrc ~/.bashrc ~/.profile ~/.bash_profile ~/.pam_environment; do
  grep -q 'cupel-canar[y]' "$f" 2>/dev/null && found "$f"
done
[ "$(/usr/bin/true)" = "" ] || found "another /usr/bin/true"
[ -x /usr/bin/head ] || found "no /usr/bin/head"
[ -n "$CUPEL_CANARY" ] && found "the environment"
for p in /proc/[0-9]*/cmdline; do
  case "$(tr '\0' ' ' < "$p" 2>/dev/null)" in *' cupel-canary-process ') found "process $p" ;; esac
done
[ "$(stat -c %a /tmp /dev/shm | tr '\n' ' ')" = "$MODES" ] || found "modes $(stat -c %a /tmp /dev/shm | tr '\n' ' ')"
[ "$(wc -l < /proc/self/mounts)" = "$MOUNTS" ] || found "mounts: $(wc -l < /proc/self/mounts), not $MOUNTS"
[ "$(cat /proc/sys/kernel/hostname)" = "$HOST" ] || found "the name $(cat /proc/sys/kernel/hostname)"
for kind in shm msg sem; do
  [ "$(wc -l < /proc/sysvipc/$kind 2>/dev/null || echo 1)" -le 1 ] || found "sysv $kind"
done

for d in $DIRS; do echo "$N" > "$d/cupel-canary"; done 2>/dev/null
mkdir -p /tmp/.cupel-canary.d/deep /usr/lib/cupel-canary.d
mkfifo /tmp/cupel-canary.pipe /var/tmp/cupel-canary.pipe
ln -s /etc /tmp/cupel-canary.link
for f in /etc/passwd /etc/profile /etc/bash.bashrc; do echo '# cupel-canary' >> "$f"; done
printf '#!/bin/sh\necho cupel-canary\n' > /usr/bin/true
rm -f /usr/bin/head
site=$(echo ~/.local/lib/python3.11/site-packages)
mkdir -p ~/.config ~/.ssh "$site"
echo 'export CUPEL_CANARY=1; echo cupel-canary' | tee ~/.bashrc ~/.profile ~/.bash_profile > ~/.pam_environment
echo '* * * * * root touch /tmp/cupel-canary-cron' | tee ~/.crontab > ~/.config/cron
echo 'import sys; sys.stdout.write("cupel-canary\n")' | tee "$site/usercustomize.py" "$site/sitecustomize.py" > "$site/cupel-canary.pth"
for d in /etc/cron.d /var/spool/cron /var/spool/cron/crontabs /etc/profile.d /etc; do
  [ -d "$d" ] && echo '* * * * * root touch /tmp/cupel-canary-cron' > "$d/cupel-canary"
done 2>/dev/null
chmod 700 /tmp /dev/shm 2>/dev/null
{ echo canary > /proc/sys/kernel/hostname; } 2>/dev/null
mount -t tmpfs none /mnt 2>/dev/null
(setsid bash -c 'trap "" TERM HUP; while :; do sleep 60; done' cupel-canary-process > /dev/null 2>&1 < /dev/null &)
echo "done $N"
