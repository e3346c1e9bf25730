# Prints the next part of a file, or removes all of them.
[ "$part" ] || { rm -rf "$d"; begin; end; }
begin
echo "coding $(coding)"
printf 'out '
dd bs=$block skip="$part" count=$parts if="$d/$name" | encode
echo
end
