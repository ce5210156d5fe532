# Sums a profile by part of the program. Reads
# `perf report --no-children --sort=symbol --stdio`, of which each line is a share and a symbol.
/^ *[0-9.]+%/ {
    share = $1 + 0
    part = "other"
    if ($2 == "[k]") {
        part = "kernel"
        if ($0 ~ /clear_page|page_fault|folio|anonymous|alloc.*page|vma|memcg|lruvec/) part = "kernel: memory"
        else if ($0 ~ /tcp|sock|skb|inet|ip_|net_|softirq|loopback|_copy_to_iter|_copy_from_iter|napi/) part = "kernel: network"
    }
    else if ($0 ~ /sled|sip::Hasher/) part = "record index (sled)"
    else if ($0 ~ /acd::|xxh3/) part = "acd: apply"
    else if ($0 ~ /openraft|quorum_set|peel_off/) part = "openraft"
    else if ($0 ~ /raft_log|chunked_wal|crc32|codeq/) part = "raft-log"
    else if ($0 ~ /tonic|hyper|h2::|http::|tower/) part = "gRPC: tonic, hyper, h2"
    else if ($0 ~ /rustls|ring_core|ring::|gcm|aes_/) part = "TLS"
    else if ($0 ~ /prost|proto::|bytes::/) part = "prost and bytes"
    else if ($0 ~ /tokio|parking_lot|futures|syscall|pthread|epoll/) part = "tokio, wake-ups"
    else if ($0 ~ /mi_|mem(move|cmp|set|cpy)|malloc|__rust_alloc/) part = "allocator, copies, comparisons"
    else if ($0 ~ /node::|load::|throughput::|bed::/) part = "node and client"
    else if ($0 ~ /alloc::|core::|hashbrown|BTree|btree/) part = "collections (mostly acd)"
    shares[part] += share
}
END { for (part in shares) printf "%6.1f %%  %s\n", shares[part], part | "sort -rn" }
