#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs or removes the files of one list; what `install` puts there is by construction what `uninstall` takes away.
#   usage: install.sh install|uninstall|list DESTDIR ENTRY...
# An entry is MODE:SOURCE:TARGET, or link:TEXT:TARGET for a symbolic link that says TEXT.
set -eu
action=$1
destdir=$2
shift 2
for entry in "$@"; do
    target=${entry##*:}
    rest=${entry%:*}
    mode=${rest%%:*}
    source=${rest#*:}
    case $action in
    list) echo "$target" ;;
    uninstall) rm -f "$destdir$target" ;;
    install)
        mkdir -p "$destdir${target%/*}"
        case $mode in
        link) ln -sf "$source" "$destdir$target" ;;
        *) install -m "$mode" "$source" "$destdir$target" ;;
        esac ;;
    *) echo "install.sh: unknown action '$action'" >&2; exit 2 ;;
    esac
done
# A directory of our own goes when it is empty; those of the system are not ours.
if [ "$action" = uninstall ]; then
    for entry in "$@"; do
        directory=${entry##*:}
        directory=${directory%/*}
        case $directory in */holdfast/adapters) rmdir "$destdir$directory" 2>/dev/null || : ;; esac
    done
    for entry in "$@"; do
        directory=${entry##*:}
        directory=${directory%/*}
        case $directory in */holdfast) rmdir "$destdir$directory" 2>/dev/null || : ;; esac
    done
fi
