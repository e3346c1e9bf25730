head -c 1000000000 /dev/zero > filler || exit 1
echo 6
