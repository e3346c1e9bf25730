for ((n = 0; n <= 2000; n++)); do echo "$n"; done
