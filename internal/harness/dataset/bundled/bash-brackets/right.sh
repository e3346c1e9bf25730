IFS= read -r line
while :; do
  next=${line//'()'/}
  next=${next//'[]'/}
  next=${next//'{}'/}
  [[ $next == "$line" ]] && break
  line=$next
done
if [[ -z $line ]]; then echo yes; else echo no; fi
