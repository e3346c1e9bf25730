printf "a 2\nb 1\n"
