# SPDX-License-Identifier: GPL-2.0
# sh programs.sh: the rows of bench/compare that are whole programs, in a guest and in a chroot of the host with the same files:
# /data has the preprocessed C sources (src) and a tree of small text files (tree).
export PATH=/bin
bench --exec fork_exec_dynamic=/bin/bench_dynamic \
    --program "tcc=for file in /data/src/*.c; do tcc -c \$file -o /tmp/out.o; done" \
    --program "tar_gzip=tar -C / -cf - data | gzip >/tmp/out.tar.gz" \
    --program "sqlite=rm -f /tmp/out.db; sqlite3 /tmp/out.db </data/script.sql" \
    --program "shell=i=0; while [ \$i -lt 200 ]; do /bin/bench --exit; i=\$((i + 1)); done" \
    --program "find_grep=find /data -type f -exec grep -l needle {} +"
