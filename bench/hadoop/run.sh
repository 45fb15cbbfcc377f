#!/usr/bin/env bash
# Calls per second of Hadoop's IPC, by the benchmark of its own tests. README.md says with which settings.
#
#	./run.sh [callers [seconds [bytes]]]	default: 100 callers, 40 s, 1024 bytes
set -euo pipefail
cd "$(dirname "$0")"

callers=${1:-100} seconds=${2:-40} bytes=${3:-1024} port=${PORT:-12345}
handlers=10 readers=1

for tool in java mvn; do
	if ! command -v "$tool" >/dev/null; then
		echo "hadoop: skipped, there is no $tool" >&2
		exit 0
	fi
done
if [ ! -d target/lib ]; then
	mvn -q -B dependency:copy-dependencies -DoutputDirectory=target/lib
fi
benchmark() { exec java -cp '.:target/lib/*' org.apache.hadoop.ipc.RPCCallBenchmark -e protobuf -h 127.0.0.1 -p "$port" "$@"; }

# cpu PID prints the processor time of a process in hundredths of a second.
cpu() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

server_log=$(mktemp) client_log=$(mktemp) times=$(mktemp)
(benchmark -c 0 -s "$handlers" -r "$readers" -t "$seconds") >"$server_log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$server_log" "$client_log" "$times"' EXIT
for _ in $(seq 100); do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	if ! kill -0 "$server" 2>/dev/null; then
		cat "$server_log" >&2
		exit 1
	fi
	sleep 0.2
done

before=$(cpu "$server")
times >"$times"
if ! (benchmark -c "$callers" -s 0 -t "$seconds" -m "$bytes") >"$client_log" 2>&1; then
	cat "$client_log" >&2
	exit 1
fi
times >>"$times" # each second line: what the children that have ended used
used=$(($(cpu "$server") - before))

# The first half of the seconds is left out of the rate: the compiler is still at work.
rates=$(sed -n 's/^Calls per second: *\([0-9]*\).*/\1/p' "$client_log")
all=$(echo "$rates" | awk '{ n += $1 } END { print n }')
steady=$(echo "$rates" | awk '{ v[NR] = $1 } END { for (i = int(NR/2) + 1; i <= NR; i++) print v[i] }' | sort -n |
	awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
client_cpu=$(awk 'NR % 2 == 0 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); n += (NR == 2 ? -1 : 1) * (60 * t[1] + t[2]) } }
	END { print n }' "$times")
awk -v c="$callers" -v b="$bytes" -v r="$steady" -v cu="$client_cpu" -v u="$used" -v n="$all" -v h="$handlers" -v d="$readers" 'BEGIN {
	print "|  | callers | bytes | calls/s | CPU-us/call client + server |"
	print "|---|--:|--:|--:|--:|"
	printf "| Hadoop IPC 3.4.1, %d handlers, %d reader | %d | %d | %d | %.1f + %.1f |\n", h, d, c, b, r,
		n ? cu * 1e6 / n : 0, n ? u * 1e4 / n : 0
}'
