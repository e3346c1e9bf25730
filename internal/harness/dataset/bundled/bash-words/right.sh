declare -A count
order=()
while read -ra words; do
  for w in "${words[@]}"; do
    [[ ${count[$w]+x} ]] || order+=("$w")
    count[$w]=$((${count[$w]:-0} + 1))
  done
done
for w in "${order[@]}"; do
  printf '%s %d\n' "$w" "${count[$w]}"
done
