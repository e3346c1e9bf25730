# Ends what a run left whose own shell is gone.
sweep
rm -rf "$d"
killed
begin
echo "oom ? ${oom:-?}"
end
