#!/usr/bin/env bash
# Makes home.tar.xz and expected/ beside this file, with the command line of an older checkout:
#
#     git worktree add /tmp/old 6511507
#     bash tests/upgrade/6511507/make.sh /tmp/old .venv/bin/python
#
# Takes a few minutes on two cores.
set -euo pipefail

checkout=$(realpath "$1")
python=$(realpath --no-symlinks "$2")
here=$(dirname "$(realpath "$0")")
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$checkout BNN_HOME=$work/home COLUMNS=120
unset MLFLOW_TRACKING_URI BNN_DATA_DIR

bnn() { (cd "$work" && "$python" -m orchestrator.cli.main "$@"); }
sql() { "$python" -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    print(*database.execute(sys.argv[2]).fetchone())' "$@"; }

cp -r "$here/studies" "$work"
rm -rf "$here/expected"
mkdir "$here/expected"

# One cell is whole and the other one in its midst when Ctrl-C comes.
interrupted() {
    local midst pid
    midst="SELECT (SELECT count(*) FROM cells WHERE study LIKE 'half/%' AND state = 'finished')
        AND (SELECT count(*) FROM points WHERE cell LIKE 'half/%/length=long/%')"
    setsid bash -c 'trap - INT; cd "$1" && exec "$2" -m orchestrator.cli.main sweep "$3"' \
        _ "$work" "$python" "$1" &
    pid=$!
    until [ "$(sql "$BNN_HOME/journal.db" "$midst" 2>/dev/null)" = 1 ]; do sleep 0.1; done
    kill -INT $pid
    wait $pid || [ $? = 130 ]
}

while read -r name file changes; do
    case $name in
        half) interrupted "studies/$file" ;;
        failing) bnn sweep "studies/$file" || [ $? = 1 ] ;;
        # shellcheck disable=SC2086 # the changes are words
        *) bnn sweep "studies/$file" $changes ;;
    esac
    # shellcheck disable=SC2086
    bnn matrix "studies/$file" $changes --csv "$here/expected/$name.matrix.csv"
    # shellcheck disable=SC2086
    bnn results "studies/$file" $changes --csv "$here/expected/$name.results.csv"
done < "$here/sweeps.txt"

bnn protocol ./studies/net
for stage in sensitivity lr full; do
    bnn matrix net-$stage --csv "$here/expected/net-$stage.matrix.csv"
    bnn results net-$stage --csv "$here/expected/net-$stage.results.csv"
done

run=$(sql "$BNN_HOME/journal.db" "SELECT run_id FROM cells WHERE cell LIKE '%method=biprop/%'")
bnn export "$run" -o "$BNN_HOME/net.bnn"
bnn inspect "$BNN_HOME/net.bnn" | sed "s#$BNN_HOME#HOME#" > "$here/expected/inspect.txt"

# Of the checkpoints those of the exported cell, and those to go on with.
half=$(sql "$BNN_HOME/journal.db" "SELECT trial FROM cells WHERE cell LIKE 'half/%/length=long/%'")
ticket=$(sql "$BNN_HOME/journal.db" "SELECT trial FROM cells WHERE run_id = '$run'")
for folder in "$BNN_HOME"/checkpoints/*; do
    case $(basename "$folder") in
        "$half") ;;
        "$ticket") rm "$folder"/epoch-* ;;
        *) rm -r "$folder" ;;
    esac
done
rm -rf "$BNN_HOME/ray" "$BNN_HOME/logs" "$BNN_HOME/data"

# Tracebacks name files of the machine that made them.
prefix=$("$python" -c 'import sys; print(sys.prefix)')
find "$BNN_HOME/artifacts" -name '*.txt' -exec sed -i "s#$prefix#PREFIX#g; s#$checkout#OLD#g" {} +
for database in journal mlflow; do
    "$python" - "$BNN_HOME/$database.db" "$prefix" "$checkout" <<'END'
import sqlite3, sys

path, prefix, checkout = sys.argv[1:]
database = sqlite3.connect(path)
table, column = ("cells", "tags") if "journal" in path else ("tags", "value")
with database:
    for text, short in ((prefix, "PREFIX"), (checkout, "OLD")):
        database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (text, short))
database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
database.execute("VACUUM")
database.close()
END
    rm -f "$BNN_HOME/$database.db-wal" "$BNN_HOME/$database.db-shm"
done

# Addresses of artifacts begin with it in MLflow's database.
printf '%s\n' "$BNN_HOME" > "$BNN_HOME/made-in.txt"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --directory "$work" home \
    | xz -9e > "$here/home.tar.xz"
ls -l "$here/home.tar.xz"
