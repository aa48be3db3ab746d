# unshare --map-root-user --net --uts --mount bash two_hosts.sh COMMAND
# Run a command on two hosts, named first and second, that nothing but a cable connects.
set -e
names=$(mktemp)
printf '127.0.0.1 localhost\n10.99.0.1 first\n10.99.0.2 second\n' > "$names"
mount --bind "$names" /etc/hosts
rm "$names"
ip link set lo up
ip link add one type veth peer name two
unshare --net --uts sleep 600 &
host=$!
trap 'kill $host' EXIT
until [ "$(readlink /proc/$host/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set two netns $host
hostname first
ip addr add 10.99.0.1/24 dev one
ip link set one up
second="nsenter --target $host --net --uts"
$second sh -c 'hostname second && ip link set lo up && ip addr add 10.99.0.2/24 dev two && ip link set two up'
sh -c "$1" &
first=$!
$second sh -c "$1"
wait $first
