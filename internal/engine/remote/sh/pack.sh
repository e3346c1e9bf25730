# Packs $name below $dir.
[ -e "$dir/$name" ] || [ -L "$dir/$name" ] || fail gone
mkdir -p "$d" || fail files
command -v tar >/dev/null || fail tar
tar -C "$dir" --numeric-owner -cf "$d/out" -- "./$name" || tar -C "$dir" -cf "$d/out" "./$name"
code=$?
exec 6<"$d/out"
rm -rf "$d"
begin
echo "code $code"
echo "coding $(coding)"
show out 6
end
