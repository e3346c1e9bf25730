declare -A count
order=()
for w in $(cat); do
  [[ ${count[$w]+x} ]] || order+=("$w")
  count[$w]=$((${count[$w]:-0} + 1))
done
for w in "${order[@]}"; do echo "$w ${count[$w]}"; done
