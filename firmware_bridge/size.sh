#!/bin/sh
# What the library costs, by compiler: `size.sh README FOLDER...`, each folder with libk1link.a and context.o (make size). Fails where a
# Cortex-M3 build is over its limits, where the library has variables of its own, or where the README has another figure for a compiler.
set -eu
readme=$1
shift
failed=0

complain() { echo "size: $*" >&2; failed=1; }

echo "| compiler, target, flags | code, bytes | RAM of one context, bytes |"
echo "|---|---|---|"
for folder in "$@"; do
    . "$folder/compiler.sh" # sets label and prefix
    code=$("${prefix}size" -A "$folder/libk1link.a" | awk '/^\.(text|rodata)/ { n += $2 } END { print n }')
    variables=$("${prefix}size" -A "$folder/libk1link.a" | awk '/^\.(data|bss)/ && !/rel\.ro/ { n += $2 } END { print n + 0 }')
    ram=$("${prefix}size" -A "$folder/context.o" | awk '/^\.bss/ { n += $2 } END { print n }')
    row="| $label | $code | $ram |"
    echo "$row"
    [ "$variables" -eq 0 ] || complain "$label: $variables bytes of variables outside of the context"
    case $folder in
    *cortex-m3) [ "$code" -le 6144 ] && [ "$ram" -le 1024 ] || complain "$label: over 6144 bytes of code or 1024 of RAM" ;;
    esac
    if grep -qF "| $label |" "$readme" && ! grep -qxF "$row" "$readme"; then
        complain "$readme has another figure for $label: make size, and copy the table"
    fi
done
exit $failed
