#!/bin/sh
# Installs wmo and wmod from the unpacked tarball that this lies in, or removes them. As root:
#   ./install.sh [PREFIX]              files below PREFIX (/usr/local), /etc/wmod.yaml unless it is there, the unit; starts nothing
#   ./install.sh --uninstall [PREFIX]  stops wmod, puts the kernel's settings back, removes what was installed; leaves /etc/wmod.yaml and /var/lib/wmo
set -eu
mode=install
[ "${1:-}" != --uninstall ] || { mode=uninstall; shift; }
case "${1:-}" in -*) sed -n '2,4s/^# *//p' "$0"; exit 2 ;; esac
prefix=$(readlink -m "${1:-/usr/local}")
here=$(dirname "$(readlink -f "$0")")
unit=/etc/systemd/system/wmod.service
reload() { if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi; }
[ "$(id -u)" = 0 ] || { echo "install.sh: take root for it" >&2; exit 1; }

if [ $mode = uninstall ]; then
  if [ -d /run/systemd/system ]; then systemctl disable --now wmod.service 2>/dev/null || true; fi
  "$prefix/bin/wmod" restore || echo "install.sh: not everything could be put back; /run/wmo has the journal of it" >&2
  rm -rf "$prefix/lib/wmo" "$prefix/share/doc/wmo" "$prefix/bin/wmo" "$prefix/bin/wmod" "$unit" /var/cache/wmo
  reload
  echo "removed; /etc/wmod.yaml and /var/lib/wmo are yours to remove"
  exit
fi

mkdir -p "$prefix/bin" "$prefix/lib" "$prefix/share/doc"
rm -rf "$prefix/lib/wmo"
cp -R "$here/lib/wmo" "$prefix/lib/"
cp -R "$here/share/doc/wmo" "$prefix/share/doc/"
cp "$here/bin/wmo" "$here/bin/wmod" "$prefix/bin/"
[ -e /etc/wmod.yaml ] || cp "$here/share/doc/wmo/wmod.yaml" /etc/wmod.yaml
mkdir -p "$(dirname "$unit")"
sed "s,/usr/bin/wmod,$prefix/bin/wmod,g" "$here/lib/systemd/system/wmod.service" >"$unit"
reload
echo "installed below $prefix; read /etc/wmod.yaml (a dry run), then: systemctl enable --now wmod; $prefix/bin/wmo status"
