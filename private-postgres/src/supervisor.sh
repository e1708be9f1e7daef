# Keeps one server. Orders come on stdin, one a line, and each is answered by one line on stdout. When stdin ends,
# because the process that gives the orders has closed it or has itself ended in whatever way, so do the server and its
# directory.
#
# Arguments: the directory of the programs, and the settings for postgres.
programs=$1
shift
server=

# Who asked may be gone when the answer is ready; the end below must be reached all the same.
trap '' PIPE

# Not in TMPDIR: the path of a socket may have little more than 100 bytes, and this account may have no access there.
directory=$(mktemp -d /tmp/promptops-pg-XXXXXX) || exit
# Everybody may connect who has the password.
chmod 711 "$directory"
echo "$directory"

runs() {
    # A shell notes that what it has started has ended when it waits for something; until then it counts as alive.
    sleep 0
    [ -n "$server" ] && kill -s 0 "$server" 2>/dev/null
}

# By the signal $1, which is sent until the server has ended: one that has just been started does not heed it yet.
stop() {
    tries=0
    how=stopped
    while runs; do
        if [ "$tries" -ge 2000 ]; then
            how=killed
            kill -s KILL "$server"
        else
            kill -s "$1" "$server"
        fi
        tries=$((tries + 1))
        sleep 0.02
    done
    server=
}

while read -r order argument; do
    case $order in
    initialize)
        (umask 077 && echo "$argument" >"$directory/password")
        "$programs/initdb" --pgdata="$directory/data" --username=postgres --pwfile="$directory/password" \
            --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync </dev/null >>"$directory/log" 2>&1
        code=$?
        rm "$directory/password"
        echo "$code"
        ;;
    start)
        "$programs/postgres" -D "$directory/data" -h 127.0.0.1 -p "$argument" -k "$directory" "$@" \
            </dev/null >>"$directory/log" 2>&1 &
        server=$!
        echo "$server"
        ;;
    look)
        if runs; then echo runs; else echo ended; fi
        ;;
    stop)
        stop "$argument"
        echo "$how"
        ;;
    esac
done

stop QUIT
cd /
rm -rf "$directory"
