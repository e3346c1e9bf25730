IFS= read -r line
opening=${line//[^(\[\{]/}
if ((${#opening} * 2 == ${#line})); then echo yes; else echo no; fi
