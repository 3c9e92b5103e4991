#!/usr/bin/env python3
"""The work of `claviger replay` as other engines do it best: parse the log, join the identities on the key, name the
cause, hash the key, write zstd Parquet.

usage: peers.py duckdb|clickhouse|polars DIR OUT.parquet [--threads N]     DIR as generate.py writes it
prints: {"seconds": …} on standard output, from after the import until the file is closed
needs: duckdb, chdb, polars

Each is given its schema, so that nobody spends time on guessing types, and may write rows in any order. It is less than
Claviger does: 20 columns instead of the whole event, no rejects, evidence, near misses or offsets, a hash without a secret.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

CAUSE_SQL = """
    CASE WHEN status < 400 THEN {none}
         WHEN status = 429 THEN 'rate_limited'
         WHEN {unknown} THEN 'unknown_key'
         WHEN istatus <> 'active' THEN istatus
         ELSE 'undecidable' END"""


def duckdb(folder: Path, out: Path, threads: int) -> float:
    import duckdb

    begin = time.perf_counter()
    db = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    cause = CAUSE_SQL.format(none="NULL", unknown="istatus IS NULL")
    db.execute(f"""
        COPY (
            WITH log AS (
                SELECT make_timestamp_ms(start_time) AS event_at, client_ip, latency, upstream_latency, service_id, route_id,
                       consumer.username AS consumer, request.method AS method, request.uri AS uri, request.size AS request_bytes,
                       request.headers.host AS host, request.headers."user-agent" AS user_agent,
                       request.headers."x-request-id" AS request_id, request.headers."x-api-key" AS key,
                       response.status AS status, response.size AS response_bytes
                FROM read_json('{folder}/access.ndjson', format = 'newline_delimited', columns = {{
                    client_ip: 'VARCHAR', start_time: 'BIGINT', latency: 'DOUBLE', upstream_latency: 'DOUBLE',
                    service_id: 'VARCHAR', route_id: 'VARCHAR', consumer: 'STRUCT(username VARCHAR)',
                    request: 'STRUCT(method VARCHAR, uri VARCHAR, size BIGINT, headers STRUCT(
                        host VARCHAR, "user-agent" VARCHAR, "x-api-key" VARCHAR, "x-request-id" VARCHAR))',
                    response: 'STRUCT(status SMALLINT, size BIGINT)' }})
            ), identity AS (
                FROM read_json('{folder}/flat.ndjson', format = 'newline_delimited', columns = {{
                    key: 'VARCHAR', key_id: 'VARCHAR', principal: 'VARCHAR', tenant: 'VARCHAR', istatus: 'VARCHAR' }})
            )
            SELECT log.* EXCLUDE (key), sha256(key) AS fingerprint, key_id, principal, tenant, {cause} AS cause
            FROM log LEFT JOIN identity USING (key)
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd)""")
    db.close()
    return time.perf_counter() - begin


def clickhouse(folder: Path, out: Path, threads: int) -> float:
    from chdb import session

    begin = time.perf_counter()
    # An unmatched row of a left join holds defaults, not nulls: the empty string is "unknown" here.
    cause = CAUSE_SQL.format(none="''", unknown="istatus = ''")
    session.Session().query(f"""
        SELECT fromUnixTimestamp64Milli(start_time) AS event_at, client_ip, latency, upstream_latency, service_id, route_id,
               log.consumer.username AS consumer_name, log.request.method AS method, log.request.uri AS uri,
               log.request.size AS request_bytes, log.request.headers.host AS host,
               log.request.headers.`user-agent` AS user_agent, log.request.headers.`x-request-id` AS request_id,
               log.response.status AS status, log.response.size AS response_bytes,
               SHA256(key) AS fingerprint, key_id, principal, tenant, {cause} AS cause
        FROM (
            SELECT *, request.headers.`x-api-key` AS key
            FROM file('{folder}/access.ndjson', JSONEachRow,
                'client_ip String, start_time Int64, latency Float64, upstream_latency Float64, service_id String, route_id String,
                 consumer Tuple(username String),
                 request Tuple(method String, uri String, size Int64, headers Tuple(
                     host String, `user-agent` String, `x-api-key` String, `x-request-id` String)),
                 response Tuple(status Int16, size Int64)')
        ) AS log
        LEFT JOIN file('{folder}/flat.ndjson', JSONEachRow,
            'key String, key_id String, principal String, tenant String, istatus String') AS identity USING (key)
        INTO OUTFILE '{out}' TRUNCATE FORMAT Parquet
        SETTINGS max_threads = {threads}, output_format_parquet_compression_method = 'zstd', input_format_skip_unknown_fields = 1,
                 input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_null_as_default = 1""")
    return time.perf_counter() - begin


def polars(folder: Path, out: Path, threads: int) -> float:
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    begin = time.perf_counter()
    text, struct = pl.String, pl.Struct
    headers = struct({"host": text, "user-agent": text, "x-api-key": text, "x-request-id": text})
    schema = pl.Schema({
        "client_ip": text,
        "start_time": pl.Int64,
        "latency": pl.Float64,
        "upstream_latency": pl.Float64,
        "service_id": text,
        "route_id": text,
        "consumer": struct({"username": text}),
        "request": struct({"method": text, "uri": text, "size": pl.Int64, "headers": headers}),
        "response": struct({"status": pl.Int16, "size": pl.Int64}),
    })

    def inside(*path: str) -> pl.Expr:
        column, *rest = path
        value = pl.col(column)
        for name in rest:
            value = value.struct.field(name)
        return value

    log = pl.scan_ndjson(folder / "access.ndjson", schema=schema).select(
        pl.from_epoch("start_time", "ms").alias("event_at"),
        *("client_ip", "latency", "upstream_latency", "service_id", "route_id"),
        inside("consumer", "username").alias("consumer"),
        inside("request", "method"),
        inside("request", "uri"),
        inside("request", "size").alias("request_bytes"),
        inside("request", "headers", "host"),
        inside("request", "headers", "user-agent").alias("user_agent"),
        inside("request", "headers", "x-request-id").alias("request_id"),
        inside("request", "headers", "x-api-key").alias("key"),
        inside("response", "status"),
        inside("response", "size").alias("response_bytes"),
    )
    identity = pl.scan_ndjson(folder / "flat.ndjson", schema={name: text for name in ("key", "key_id", "principal", "tenant", "istatus")})
    status, istatus = pl.col("status"), pl.col("istatus")
    cause = (
        pl.when(status < 400).then(None)
        .when(status == 429).then(pl.lit("rate_limited"))
        .when(istatus.is_null()).then(pl.lit("unknown_key"))
        .when(istatus != "active").then(istatus)
        .otherwise(pl.lit("undecidable"))
    )
    # Polars has no cryptographic hash: a plain one makes its work lighter, not heavier.
    (
        log.join(identity, on="key", how="left")
        .with_columns(cause.alias("cause"), pl.col("key").hash().alias("fingerprint"))
        .drop("key", "istatus")
        .sink_parquet(out, compression="zstd", maintain_order=False)
    )
    return time.perf_counter() - begin


PEERS = {"duckdb": duckdb, "clickhouse": clickhouse, "polars": polars}


def main() -> None:
    parser = argparse.ArgumentParser(description="Does the work of `claviger replay` in another engine.")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    seconds = PEERS[arguments.peer](arguments.folder, arguments.out, arguments.threads)
    json.dump({"seconds": round(seconds, 3)}, sys.stdout)


if __name__ == "__main__":
    main()
