set -u
echo "$nothing_of_that_name"
