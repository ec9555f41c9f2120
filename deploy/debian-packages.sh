#!/usr/bin/env bash
# Installs the Debian packages that the tests need: a real MQTT broker, socat for pairs of pseudo-terminals, Erlang, whose
# supervisors ours are held against, D-Bus, curl, NATS, and libmodbus as a far end that others wrote.
#
# Does nothing, and needs no rights, when they are there. Holdfast itself and its demo need none of them.
# The tests start brokers of their own on free ports, so the services that come with the packages mosquitto, nats-server and
# erlang-base are neither needed nor started, nor enabled for the next boot: ports 1883, 4222 and 4369 are left to whom they
# belong. What was here stays as it is.
set -euo pipefail

NEEDED="mosquitto:mosquitto mosquitto_passwd:mosquitto socat:socat erl:erlang-base dbus-daemon:dbus-daemon curl:curl" # command:package
NEEDED="$NEEDED nats-server:nats-server"
LIBRARIES="libmodbus.so.5:libmodbus5" # soname:package
POLICY=/usr/sbin/policy-rc.d # asked by Debian's package scripts before they start a service; 101 is "no"
PATH=$PATH:/usr/sbin:/sbin   # where Debian keeps daemons, and a user's PATH does not reach

missing=""
for each in $NEEDED; do
    command -v "${each%:*}" >/dev/null || case " $missing " in *" ${each#*:} "*) ;; *) missing="$missing ${each#*:}" ;; esac
done
for each in $LIBRARIES; do
    ldconfig -p | grep -q "${each%:*}" || missing="$missing ${each#*:}"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

give_up() {
    echo "The tests need the Debian packages: $missing" >&2
    echo "$1; install them as root:  apt-get install --no-install-recommends $missing" >&2
    exit 1
}

command -v apt-get >/dev/null || give_up "This system has no apt-get"
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "You are not root and there is no sudo"
    [ -t 0 ] || sudo -n true 2>/dev/null || give_up "You are not root and sudo asks for a password"
    echo "installing with sudo: $missing"
    exec sudo -- "$0"
fi

if [ ! -e "$POLICY" ]; then # only for as long as apt-get runs, and only for these services
    trap 'rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\ncase "$1" in mosquitto*|nats-server*|epmd*) exit 101 ;; esac\n' >"$POLICY"
    chmod 755 "$POLICY"
fi
echo "installing: $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "apt-get update failed; trying with the lists that are here" >&2
# shellcheck disable=SC2086  # a list of names
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 $missing </dev/null || give_up "apt-get failed"
if [ -d /run/systemd/system ]; then
    case " $missing " in *" mosquitto "*) systemctl disable --quiet mosquitto.service ;; esac
    case " $missing " in *" nats-server "*) systemctl disable --quiet nats-server.service ;; esac
    case " $missing " in *" erlang-base "*) systemctl disable --quiet epmd.service epmd.socket ;; esac
fi
