tr -s '[:space:]' '\n' | sort | uniq -c | while read -r n w; do echo "$w $n"; done
