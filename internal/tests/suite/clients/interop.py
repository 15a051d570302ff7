"""Fetches files by aioquic under the conditions of one case: interop.py HOST PORT < case > outcome

The input is a JSON object: paths, and if need be cipher (chacha20), version (1 or 2), key_update (after each of
the first two files), again (resumption or early: on a second connection, with the ticket of the first one), connections (how many,
one after the other, each of which fetches all) and ping (seconds between signs of the client while it waits). The output has files,
[status, size, digest] of each in their order, and of the last connection cipher, version, key_phases (behind these two files),
retried, resumed and early.
"""

import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite, Epoch

from h3client import Client

PATIENCE = 60.0  # seconds without a sign of the server; lossy paths need some


def configuration_of(case, ticket):
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, is_client=True, idle_timeout=PATIENCE)
    if case.get("cipher") == "chacha20":
        configuration.cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]
    if case.get("version") == 2:
        configuration.supported_versions = [QuicProtocolVersion.VERSION_2, QuicProtocolVersion.VERSION_1]
    configuration.session_ticket = ticket
    return configuration


async def fetch(client, authority, paths):
    answers = await asyncio.gather(*(client.ask(authority, {"method": "GET", "path": path}) for path in paths))
    return [[answer["status"], answer["size"], answer["digest"]] for answer in answers]


async def keep_alive(client, interval):
    """Gives signs that are insisted on (RFC 9000 section 10.1.2): a client that only acknowledges is silent once nothing comes."""
    while True:
        await client.ping()
        await asyncio.sleep(interval)


async def run(host, port, case, ticket=None, early=False):
    """One connection: its outcome, and the ticket that the server gave."""
    loop = asyncio.get_running_loop()
    tickets = loop.create_future()

    def on_ticket(given):
        if not tickets.done():
            tickets.set_result(given)

    async with connect(host, port, configuration=configuration_of(case, ticket), create_protocol=Client,
                       session_ticket_handler=on_ticket, wait_connected=not early) as client:
        authority = f"{host}:{port}"
        paths, files, quic, phases = case["paths"], [], client._quic, []
        if case.get("key_update"):
            for path in paths[:2]:
                files += await fetch(client, authority, [path])
                phases.append(quic._cryptos[Epoch.ONE_RTT].key_phase)
                quic.request_key_update()
            paths = paths[2:]
        signs = asyncio.ensure_future(keep_alive(client, case["ping"])) if "ping" in case else None
        files += await fetch(client, authority, paths)
        if signs:
            signs.cancel()
        outcome = {
            "files": files,
            "cipher": quic.tls.key_schedule.cipher_suite.name,
            "version": 2 if quic._version == QuicProtocolVersion.VERSION_2 else 1,
            "key_phases": phases,
            "retried": quic._retry_count,
            "resumed": quic.tls.session_resumed,
            "early": quic.tls.early_data_accepted,
        }
        return outcome, await asyncio.wait_for(tickets, PATIENCE)


async def main(host, port):
    case = json.load(sys.stdin)
    files = []
    for _ in range(case.get("connections", 1)):
        outcome, ticket = await run(host, int(port), case)
        files += outcome["files"]
    if case.get("again"):
        outcome, _ = await run(host, int(port), case, ticket, early=case["again"] == "early")
        files += outcome["files"]
    outcome["files"] = files
    print(json.dumps(outcome))


asyncio.run(main(*sys.argv[1:]))
