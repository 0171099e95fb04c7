#!/usr/bin/env bash
# A real S3 server for the tests: Ceph's object gateway over one monitor and one storage daemon that
# keeps everything in memory, all of them on 127.0.0.1. Needs no root.
#
#   tests/s3/server.sh ACCESS_KEY SECRET_KEY
#
# Prints "ready PORT" once it serves and runs until it gets SIGTERM or the process that started it
# is gone. Then nothing is left of it.
set -euo pipefail
access_key=$1
secret_key=$2
starter=$PPID

directory=$(mktemp -d "${TMPDIR:-/tmp}/epochfs-s3-XXXXXX")
export CEPH_CONF="$directory/ceph.conf"

stop() {
  trap - EXIT
  mapfile -t daemons < <(jobs -p)
  # It is all in memory and nobody wants it any more, so nothing is lost by not asking politely.
  ((${#daemons[@]} == 0)) || kill -KILL "${daemons[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$directory"
}
trap stop EXIT
trap 'exit 0' TERM INT HUP

fail() {
  echo "server.sh: $1" >&2
  tail -n 20 "$directory"/*.err >&2 || true
  exit 1
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

until_it_holds() {
  local what=$1 tries=600
  shift
  until "$@" >/dev/null 2>&1; do
    kill -0 "$starter" 2>/dev/null || exit 0
    ((tries-- > 0)) || fail "$what did not come up within a minute"
    sleep 0.1
  done
}

monitor_port=$(free_port)
gateway_port=$(free_port)
cluster=$(cat /proc/sys/kernel/random/uuid)
storage_daemon=$(cat /proc/sys/kernel/random/uuid)
mkdir "$directory"/{mon,osd,rgw,run}
# No "class update": the daemon may ask for it before it knows which cluster it is in, and ends when
# that is refused.
cat >"$CEPH_CONF" <<END
[global]
fsid = $cluster
mon host = v1:127.0.0.1:$monitor_port
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = $directory/run
admin socket = $directory/run/\$name.asok
log file = /dev/null
mon cluster log file = /dev/null
mon data = $directory/mon
mon allow pool size one = true
mon max pg per osd = 1000
paxos propose interval = 0.05
osd data = $directory/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd crush update on start = false
osd class update on start = false
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
rgw data = $directory/rgw
rgw frontends = beast endpoint=127.0.0.1:$gateway_port tcp_nodelay=1
rgw thread pool size = 16
rgw enable usage log = false
rgw dynamic resharding = false
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
END

monmaptool --create --fsid "$cluster" --addv a "v1:127.0.0.1:$monitor_port" \
  "$directory/monmap" >/dev/null
ceph-mon -i a --mkfs --monmap "$directory/monmap" 2>"$directory/mkfs.err"
ceph-mon -f -i a 2>"$directory/mon.err" &
until_it_holds "the monitor" timeout 10 ceph osd new "$storage_daemon"
ceph-osd -i 0 --mkfs --osd-uuid "$storage_daemon" 2>"$directory/mkfs.err"
ceph-osd -f -i 0 2>"$directory/osd.err" >/dev/null &
until_it_holds "the storage daemon" timeout 10 ceph osd crush add osd.0 1 root=default
timeout 60 radosgw-admin user create --uid=test --display-name=test \
  --access-key="$access_key" --secret-key="$secret_key" >/dev/null 2>"$directory/user.err" ||
  fail "no user could be made"
radosgw -f -n client.rgw.a 2>"$directory/rgw.err" >/dev/null &
answers() { exec 3<>"/dev/tcp/127.0.0.1/$gateway_port"; }
until_it_holds "the gateway" answers
echo "ready $gateway_port"

# Ends with the starter, or when a daemon does; a signal ends the wait at once.
tail --pid="$starter" -f /dev/null &
wait -n || true
kill -0 "$starter" 2>/dev/null && fail "a daemon has ended"
exit 0
