#!/usr/bin/env python3
"""A proxy in front of an S3 server that breaks chosen requests and answers. It keeps the header Host, so signatures hold.

usage: s3_fault_proxy.py PORT UPSTREAM_PORT ADMIN_PORT     (all on 127.0.0.1)

PUT of a JSON list to http://127.0.0.1:ADMIN_PORT/ replaces the rules; any answer there is how often each fault was done.
A rule: {"method": "GET" or "*", "path": regex, "count": how often (always without), "skip": how many first, "fault": …}.
The first rule that fits decides.

  delay {ms}            the request waits
  status {code, s3code} the server does not see it; this is the answer
  reset_before          reset, and the server does not see it
  reset_mid {bytes}     reset when so many bytes of the request's body have gone to the server
  reset_after           the server does it, and the answer is lost
  truncate {bytes}      the answer's body ends early, in good order
  truncate_reset {bytes}   … by a reset
  corrupt {at}          one byte of the answer's body is wrong
  stall {bytes}         the answer's body stops, and the connection stays open until the rules change
  lie {bytes}           the answer promises one byte more than it has, or at least so many
"""
import asyncio
import json
import re
import socket
import struct
import sys

PORT, UPSTREAM, ADMIN = map(int, sys.argv[1:4])
LARGEST_PIECE = 1 << 17
rules, done = [], {}
changed = asyncio.Event()


class Reset(Exception):
    """Ends both connections with a reset."""


def choose(method, path):
    for rule in rules:
        if rule.get("method", "*") not in ("*", method) or not re.search(rule.get("path", ""), path):
            continue
        if rule.get("skip", 0) > 0:
            rule["skip"] -= 1
            continue
        if rule.get("count", 1) <= 0:
            continue
        if "count" in rule:
            rule["count"] -= 1
        done[rule["fault"]] = done.get(rule["fault"], 0) + 1
        return rule
    return {"fault": None}


async def read_head(reader):
    text = await reader.readuntil(b"\r\n\r\n")
    first, *headers = text[:-4].split(b"\r\n")
    return first, headers


def header(headers, name):
    for line in headers:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


async def pieces(reader, headers):
    """The body, as it is on the wire."""
    if (header(headers, b"transfer-encoding") or b"").lower() == b"chunked":
        while True:
            line = await reader.readline()
            yield line
            size = int(line.split(b";")[0], 16)
            yield await reader.readexactly(size + 2)
            if size == 0:
                return
    left = int(header(headers, b"content-length") or 0)
    while left:
        piece = await reader.read(min(left, LARGEST_PIECE))
        if not piece:
            raise Reset
        left -= len(piece)
        yield piece


def reset(writer):
    raw = writer.get_extra_info("socket")
    if raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def send(writer, *parts):
    writer.write(b"".join(parts))
    await writer.drain()


async def refuse(writer, method, rule):
    body = f'<Error><Code>{rule.get("s3code", "SlowDown")}</Code><Message>injected</Message></Error>'.encode()
    head = f'HTTP/1.1 {rule.get("code", 503)} Injected\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n'
    await send(writer, head.encode(), b"" if method == "HEAD" else body)


async def forward_request(client, server, first, headers, rule):
    await send(server, b"\r\n".join([first, *headers]), b"\r\n\r\n")
    count = 0
    async for piece in pieces(client, headers):
        if rule["fault"] == "reset_mid" and count + len(piece) > rule["bytes"]:
            raise Reset
        count += len(piece)
        await send(server, piece)


async def forward_answer(server, client, method, rule):
    """Returns whether the client's connection may go on."""
    first, headers = await read_head(server)
    while first.split()[1].startswith(b"1"):
        first, headers = await read_head(server)
    has_body = method != "HEAD" and first.split()[1] not in (b"204", b"304")
    fault = rule["fault"]
    if fault == "reset_after":
        if has_body:
            async for _ in pieces(server, headers):
                pass
        raise Reset
    told = headers
    if fault == "lie":
        # In the place of a body in chunks, too.
        length = int(header(headers, b"content-length") or 0) + 1
        told = [line for line in headers if line.partition(b":")[0].lower() not in (b"content-length", b"transfer-encoding")]
        told.append(b"Content-Length: %d" % max(length, rule.get("bytes", 0)))
    await send(client, b"\r\n".join([first, *told]), b"\r\n\r\n")
    count = 0
    if has_body:
        async for piece in pieces(server, headers):
            cut = rule.get("bytes", 0)
            if fault in ("truncate", "truncate_reset", "stall") and count + len(piece) > cut:
                await send(client, piece[:max(0, cut - count)])
                if fault == "truncate_reset":
                    raise Reset
                if fault == "truncate":
                    return False
                changed.clear()
                await changed.wait()
                raise Reset
            at = rule.get("at", 0) - count
            if fault == "corrupt" and 0 <= at < len(piece):
                piece = piece[:at] + bytes([piece[at] ^ 0x40]) + piece[at + 1:]
            count += len(piece)
            await send(client, piece)
    return fault != "lie" and (header(headers, b"connection") or b"").lower() != b"close"


async def serve(client, client_writer):
    server = server_writer = None
    try:
        while True:
            first, headers = await read_head(client)
            method, path = first.decode().split()[:2]
            rule = choose(method, path)
            if rule["fault"] == "delay":
                await asyncio.sleep(rule["ms"] / 1000)
            if rule["fault"] == "reset_before":
                raise Reset
            if rule["fault"] == "status":
                async for _ in pieces(client, headers):
                    pass
                await refuse(client_writer, method, rule)
                continue
            if server_writer is None:
                server, server_writer = await asyncio.open_connection("127.0.0.1", UPSTREAM, limit=1 << 20)
            await forward_request(client, server_writer, first, headers, rule)
            if not await forward_answer(server, client_writer, method, rule):
                return
    except Reset:
        for writer in filter(None, (client_writer, server_writer)):
            reset(writer)
    except (ConnectionError, asyncio.IncompleteReadError, OSError):
        pass
    finally:
        for writer in filter(None, (client_writer, server_writer)):
            writer.close()


async def administer(reader, writer):
    try:
        _, headers = await read_head(reader)
        body = b"".join([piece async for piece in pieces(reader, headers)])
        answer = json.dumps(done).encode()
        if body:
            rules[:] = json.loads(body)
            done.clear()
            changed.set()
        await send(writer, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer), answer)
    finally:
        writer.close()


async def main():
    await asyncio.start_server(serve, "127.0.0.1", PORT, limit=1 << 20)
    admin = await asyncio.start_server(administer, "127.0.0.1", ADMIN)
    await admin.serve_forever()


asyncio.run(main())
