sum=0
while read -r n; do ((sum += n)); done
printf '%d  \n\n' "$sum"
