"""Asks Claviger's PostgreSQL port with psycopg and asyncpg, as their users do, and prints the answers as JSON.

Usage: ask_postgres.py PORT USER PASSWORD
"""

import asyncio
import datetime
import json
import sys

import asyncpg
import psycopg

PORT, USER, PASSWORD = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def by_psycopg():
    server = {"host": "127.0.0.1", "port": PORT, "user": USER, "password": PASSWORD, "dbname": "claviger"}
    answers = {}
    with psycopg.connect(**server) as connection:
        cursor = connection.cursor()
        cursor.execute("select count(*) from events")
        answers["count"] = cursor.fetchone()[0]
        cursor.execute("select count(*) from events where status > %s and path like %s", (3, "path-%"))
        answers["bound"] = cursor.fetchone()[0]
        cursor.execute("select count(*) from events where path = %s", ("x' or '1'='1",))
        answers["injected"] = cursor.fetchone()[0]
        cursor.execute("select event_at, path, latency_us, alternatives from events order by event_at limit 1")
        at, path, latency, alternatives = cursor.fetchone()
        assert at.tzinfo is not None and isinstance(latency, int) and isinstance(alternatives, list), (at, latency)
        answers["names"] = [column.name for column in cursor.description]
        since = at - datetime.timedelta(minutes=1)
        cursor.execute("select count(*) from events where event_at >= %s", (since,))
        answers["since"] = cursor.fetchone()[0]
        for number in range(7):
            cursor.execute("select count(*) from events where latency_us >= %s", (number,), prepare=True)
        answers["prepared"] = cursor.fetchone()[0]
        with connection.transaction():
            cursor.execute("select 1")
    with psycopg.connect(**server, autocommit=True) as connection:
        try:
            connection.execute("delete from events")
        except psycopg.Error as error:
            answers["delete"] = error.sqlstate
        try:
            connection.execute("select tenantid from events")
        except psycopg.Error as error:
            answers["hint"] = error.diag.message_hint
        try:
            connection.execute("select 1 / (latency_us - latency_us) from events").fetchall()
        except psycopg.Error as error:
            answers["division"] = error.sqlstate
        answers["after_errors"] = connection.execute("select 1").fetchone()[0]
    return answers


async def by_asyncpg():
    connection = await asyncpg.connect(
        host="127.0.0.1", port=PORT, user=USER, password=PASSWORD, database="claviger", ssl=False
    )
    try:
        answers = {"count": await connection.fetchval("select count(*) from events")}
        answers["bound"] = await connection.fetchval(
            "select count(*) from events where latency_us >= $1 and path <> $2", 2, "x"
        )
        row = await connection.fetchrow("select path, status, event_at, alternatives from events order by event_at limit 1")
        answers["types"] = [type(value).__name__ for value in row.values()]
        async with connection.transaction():
            answers["in_transaction"] = await connection.fetchval("select count(*) from entity_minutes")
        statement = await connection.prepare("select count(*) from events where cause = $1")
        answers["prepared"] = await statement.fetchval("cause-1")
        return answers
    finally:
        await connection.close()


print(json.dumps({"psycopg": by_psycopg(), "asyncpg": asyncio.run(by_asyncpg())}))
